package telegram

import (
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// methodTable lists the methods that run under the bot's mutex. Names are in
// lower case, as the API does not mind the case.
func methodTable() map[string]func(*call) (any, error) {
	return map[string]func(*call) (any, error){
		"getme":          (*call).getMe,
		"getwebhookinfo": (*call).getWebhookInfo,
		"setwebhook":     (*call).setWebhook,
		"deletewebhook":  (*call).deleteWebhook,

		"sendmessage":    (*call).sendMessage,
		"sendphoto":      func(c *call) (any, error) { return c.sendFile(mediaPhoto) },
		"senddocument":   func(c *call) (any, error) { return c.sendFile(mediaDocument) },
		"sendaudio":      func(c *call) (any, error) { return c.sendFile(mediaAudio) },
		"sendvoice":      func(c *call) (any, error) { return c.sendFile(mediaVoice) },
		"sendvideo":      func(c *call) (any, error) { return c.sendFile(mediaVideo) },
		"sendvideonote":  func(c *call) (any, error) { return c.sendFile(mediaVideoNote) },
		"sendanimation":  func(c *call) (any, error) { return c.sendFile(mediaAnimation) },
		"sendsticker":    func(c *call) (any, error) { return c.sendFile(mediaSticker) },
		"sendmediagroup": (*call).sendMediaGroup,
		"sendlocation":   (*call).sendLocation,
		"sendvenue":      (*call).sendVenue,
		"sendcontact":    (*call).sendContact,
		"sendchataction": (*call).sendChatAction,

		"editmessagetext":        (*call).editMessageText,
		"editmessagecaption":     (*call).editMessageCaption,
		"editmessagereplymarkup": (*call).editMessageReplyMarkup,
		"deletemessage":          (*call).deleteMessage,
		"setmessagereaction":     (*call).setMessageReaction,
		"answercallbackquery":    (*call).answerCallbackQuery,

		"getchat":               (*call).getChat,
		"getfile":               (*call).getFile,
		"getuserprofilephotos":  (*call).getUserProfilePhotos,
		"getbusinessconnection": (*call).getBusinessConnection,
		"readbusinessmessage":   (*call).readBusinessMessage,
	}
}

func (c *call) getMe() (any, error) {
	return struct {
		user
		CanJoinGroups             bool `json:"can_join_groups"`
		CanReadAllGroupMessages   bool `json:"can_read_all_group_messages"`
		SupportsInlineQueries     bool `json:"supports_inline_queries"`
		CanConnectToBusiness      bool `json:"can_connect_to_business"`
		HasMainWebApp             bool `json:"has_main_web_app"`
		HasTopicsEnabled          bool `json:"has_topics_enabled"`
		AllowsUsersToCreateTopics bool `json:"allows_users_to_create_topics"`
		CanManageBots             bool `json:"can_manage_bots"`
		SupportsJoinRequests      bool `json:"supports_join_request_queries"`
	}{user: c.bot.self, CanJoinGroups: true, CanConnectToBusiness: true}, nil
}

func (c *call) getChat() (any, error) {
	to, err := c.bot.chat(c.values["chat_id"])
	if err != nil {
		return nil, err
	}
	return struct {
		chatJSON
		AccentColorID    int             `json:"accent_color_id"`
		MaxReactionCount int             `json:"max_reaction_count"`
		GiftTypes        map[string]bool `json:"accepted_gift_types"`
	}{to.json, 0, 11, map[string]bool{
		"unlimited_gifts": true, "limited_gifts": true, "unique_gifts": true,
		"premium_subscription": true, "gifts_from_channels": true,
	}}, nil
}

func (c *call) getUserProfilePhotos() (any, error) {
	id := c.integer("user_id", 0, 0, 1<<52)
	if id == 0 {
		return nil, badRequest("invalid user_id specified")
	}
	photos := [][]fileJSON{}
	if f := c.bot.files.profiles[id]; f != nil {
		photos = append(photos, c.bot.files.sizes(f))
	} else if c.bot.chats[id] == nil {
		return nil, badRequest("user not found")
	}
	total := len(photos)
	offset, limit := c.integer("offset", 0, 0, 1<<31), c.integer("limit", 100, 1, 100)
	photos = photos[min(offset, int64(total)):]
	return map[string]any{"total_count": total, "photos": photos[:min(limit, int64(len(photos)))]}, nil
}

// SetPhoto gives a customer a profile photo.
func (n *Network) SetPhoto(account string, customer control.ID, picture []byte) error {
	b, err := n.find(account)
	if err != nil {
		return err
	}
	id, err := number(customer)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.chats[id] == nil {
		return control.ErrUnknown
	}
	b.files.profiles[id] = b.addFile(mediaPhoto, "profile.jpg", "", picture, 0)
	return nil
}

func (c *call) getBusinessConnection() (any, error) {
	b := c.bot.business[c.values["business_connection_id"]]
	if b == nil {
		return nil, badRequest("business connection not found")
	}
	return b, nil
}

func (c *call) readBusinessMessage() (any, error) {
	if _, err := c.getBusinessConnection(); err != nil {
		return nil, err
	}
	to, err := c.bot.chat(c.values["chat_id"])
	if err != nil {
		return nil, err
	}
	if to.find(c.integer("message_id", 0, 0, 1<<52)) == nil {
		return nil, badRequest("message not found")
	}
	return true, nil
}

// actions are the values of sendChatAction's action.
var actions = strings.Fields("typing upload_photo record_video upload_video record_voice upload_voice " +
	"upload_document choose_sticker find_location record_video_note upload_video_note")

// addCallback makes a press answerable.
func (b *bot) addCallback(id string, chat int64) {
	b.callbacks = append(b.callbacks, callback{id, chat, time.Now()})
	if len(b.callbacks) > maxCallbacks {
		b.callbacks = b.callbacks[1:]
	}
}
