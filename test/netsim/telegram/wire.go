package telegram

import (
	"strings"
	"time"
)

// The API's objects, as far as the simulator fills them
// (https://core.telegram.org/bots/api#available-types).
type (
	user struct {
		ID           int64  `json:"id"`
		IsBot        bool   `json:"is_bot"`
		FirstName    string `json:"first_name"`
		LastName     string `json:"last_name,omitempty"`
		Username     string `json:"username,omitempty"`
		LanguageCode string `json:"language_code,omitempty"`
	}

	chatJSON struct {
		ID        int64  `json:"id"`
		Type      string `json:"type"`
		Title     string `json:"title,omitempty"`
		Username  string `json:"username,omitempty"`
		FirstName string `json:"first_name,omitempty"`
		LastName  string `json:"last_name,omitempty"`
		IsForum   bool   `json:"is_forum,omitempty"`
	}

	entity struct {
		Type     string `json:"type"`
		Offset   int    `json:"offset"` // UTF-16 units
		Length   int    `json:"length"`
		URL      string `json:"url,omitempty"`
		Language string `json:"language,omitempty"`
	}

	// message is a Message; its unexported fields are the simulator's.
	message struct {
		MessageID            int64     `json:"message_id"`
		ThreadID             int64     `json:"message_thread_id,omitempty"`
		From                 *user     `json:"from,omitempty"`
		SenderChat           *chatJSON `json:"sender_chat,omitempty"`
		SenderBusinessBot    *user     `json:"sender_business_bot,omitempty"`
		Date                 int64     `json:"date"`
		BusinessConnectionID string    `json:"business_connection_id,omitempty"`
		Chat                 chatJSON  `json:"chat"`
		IsTopicMessage       bool      `json:"is_topic_message,omitempty"`
		ReplyTo              *message  `json:"reply_to_message,omitempty"`
		Quote                *quote    `json:"quote,omitempty"`
		EditDate             int64     `json:"edit_date,omitempty"`
		MediaGroupID         string    `json:"media_group_id,omitempty"`

		Text            string   `json:"text,omitempty"`
		Entities        []entity `json:"entities,omitempty"`
		Caption         string   `json:"caption,omitempty"`
		CaptionEntities []entity `json:"caption_entities,omitempty"`

		Photo     []fileJSON `json:"photo,omitempty"`
		Document  *fileJSON  `json:"document,omitempty"`
		Audio     *fileJSON  `json:"audio,omitempty"`
		Voice     *fileJSON  `json:"voice,omitempty"`
		Video     *fileJSON  `json:"video,omitempty"`
		VideoNote *fileJSON  `json:"video_note,omitempty"`
		Animation *fileJSON  `json:"animation,omitempty"`
		Sticker   *fileJSON  `json:"sticker,omitempty"`
		Location  *location  `json:"location,omitempty"`
		Venue     *venue     `json:"venue,omitempty"`
		Contact   *contact   `json:"contact,omitempty"`

		NewChatMembers []user `json:"new_chat_members,omitempty"`
		LeftChatMember *user  `json:"left_chat_member,omitempty"`
		NewChatTitle   string `json:"new_chat_title,omitempty"`
		MigrateTo      int64  `json:"migrate_to_chat_id,omitempty"`
		MigrateFrom    int64  `json:"migrate_from_chat_id,omitempty"`

		ReplyMarkup *inlineKeyboard `json:"reply_markup,omitempty"`

		deleted bool
		mine    bool // the bot sent it
	}

	quote struct {
		Text     string `json:"text"`
		Position int    `json:"position"`
		IsManual bool   `json:"is_manual,omitempty"`
	}

	// fileJSON is any of the objects that describe a file.
	fileJSON struct {
		FileID       string `json:"file_id"`
		FileUniqueID string `json:"file_unique_id"`
		FileSize     int64  `json:"file_size,omitempty"`
		FileName     string `json:"file_name,omitempty"`
		MimeType     string `json:"mime_type,omitempty"`
		Width        int    `json:"width,omitempty"`
		Height       int    `json:"height,omitempty"`
		Length       int    `json:"length,omitempty"`
		Duration     *int   `json:"duration,omitempty"`
		Emoji        string `json:"emoji,omitempty"`
		SetName      string `json:"set_name,omitempty"`
		Type         string `json:"type,omitempty"`
		IsAnimated   *bool  `json:"is_animated,omitempty"`
		IsVideo      *bool  `json:"is_video,omitempty"`
	}

	location struct {
		Latitude  float64 `json:"latitude"`
		Longitude float64 `json:"longitude"`
	}

	venue struct {
		Location location `json:"location"`
		Title    string   `json:"title"`
		Address  string   `json:"address"`
	}

	contact struct {
		PhoneNumber string `json:"phone_number"`
		FirstName   string `json:"first_name"`
		LastName    string `json:"last_name,omitempty"`
		UserID      int64  `json:"user_id,omitempty"`
		VCard       string `json:"vcard,omitempty"`
	}

	callbackQuery struct {
		ID           string   `json:"id"`
		From         user     `json:"from"`
		Message      *message `json:"message,omitempty"`
		ChatInstance string   `json:"chat_instance"`
		Data         string   `json:"data,omitempty"`
	}

	reactionType struct {
		Type  string `json:"type"`
		Emoji string `json:"emoji"`
	}

	reactionUpdated struct {
		Chat        chatJSON       `json:"chat"`
		MessageID   int64          `json:"message_id"`
		User        *user          `json:"user,omitempty"`
		Date        int64          `json:"date"`
		OldReaction []reactionType `json:"old_reaction"`
		NewReaction []reactionType `json:"new_reaction"`
	}

	memberUpdated struct {
		Chat chatJSON   `json:"chat"`
		From user       `json:"from"`
		Date int64      `json:"date"`
		Old  chatMember `json:"old_chat_member"`
		New  chatMember `json:"new_chat_member"`
	}

	chatMember struct {
		Status    string `json:"status"`
		User      user   `json:"user"`
		UntilDate *int64 `json:"until_date,omitempty"`
	}

	businessConnection struct {
		ID         string          `json:"id"`
		User       user            `json:"user"`
		UserChatID int64           `json:"user_chat_id"`
		Date       int64           `json:"date"`
		Rights     map[string]bool `json:"rights"`
		IsEnabled  bool            `json:"is_enabled"`
	}

	businessDeleted struct {
		BusinessConnectionID string   `json:"business_connection_id"`
		Chat                 chatJSON `json:"chat"`
		MessageIDs           []int64  `json:"message_ids"`
	}
)

// name is what people call the chat.
func (c chatJSON) name() string {
	if c.Title != "" {
		return c.Title
	}
	return strings.TrimSpace(c.FirstName + " " + c.LastName)
}

func unix(t time.Time) int64 { return t.Unix() }
