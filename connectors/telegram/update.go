package telegram

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-telegram/bot/models"

	"servicelink/connectors"
)

// allowedUpdates is what getUpdates asks for: what people write to the bot, and
// what becomes of that. Left out, the server keeps the list somebody sent before;
// an empty one has no reactions. Other kinds - inline queries, payments, polls,
// other members' rights, calls from chats the bot is no member of - belong to no
// conversation that an agent could answer. Such an update
// may still come from the time before: then it is unsupported.
var allowedUpdates = []string{
	"message", "edited_message", "channel_post", "edited_channel_post",
	"business_connection", "business_message", "edited_business_message", "deleted_business_messages",
	"message_reaction", "message_reaction_count", "callback_query", "my_chat_member",
}

// readers turn the content of an update into events, by the member that holds it.
// false: the content is not what this kind should be.
var readers = map[string]func(*update) ([]connectors.Event, bool){
	"message":                   (*update).message,
	"channel_post":              (*update).message,
	"business_message":          (*update).message,
	"edited_message":            (*update).edited,
	"edited_channel_post":       (*update).edited,
	"edited_business_message":   (*update).edited,
	"callback_query":            (*update).pressed,
	"message_reaction":          (*update).reacted,
	"message_reaction_count":    (*update).reactionCount,
	"my_chat_member":            (*update).membership,
	"business_connection":       (*update).businessConnection,
	"deleted_business_messages": (*update).deleted,
}

// update is one update, of which only the envelope is decoded.
type update struct {
	bot     string // the bot's id
	channel string // the channel's name in the configuration
	id      int64  // update_id; 0 = unreadable
	raw     json.RawMessage
	kind    string          // the member that holds the content; empty = none
	body    json.RawMessage // the content

	query string // set by pressed: the callback query to be answered
	bug   string // set by events: the type of a panic
}

// newUpdate reads the envelope. It never fails: what cannot be read is left out.
func (c *Connector) newUpdate(raw json.RawMessage) *update {
	u := &update{bot: c.bot, channel: c.channel, raw: raw}
	members := object(raw)
	if json.Unmarshal(members["update_id"], &u.id) != nil {
		u.id = 0
	}
	delete(members, "update_id")
	names := slices.Sorted(maps.Keys(members))
	for _, name := range names { // one that is known goes before one that is not
		if readers[name] != nil {
			u.kind = name
			break
		}
	}
	if u.kind == "" && len(names) > 0 {
		u.kind = names[0]
	}
	u.body = members[u.kind]
	return u
}

// events reads the content. It gives at least one event for every update but the
// bot's own words; whatever cannot be read becomes an unsupported event. A panic
// is caught here: it would come again with every poll and block the bot for ever.
func (u *update) events() (events []connectors.Event) {
	defer func() {
		if p := recover(); p != nil {
			u.bug = fmt.Sprintf("%T", p)
			events = []connectors.Event{u.unsupported()}
		}
	}()
	if read := readers[u.kind]; read != nil {
		if events, ok := read(u); ok {
			return events
		}
	}
	return []connectors.Event{u.unsupported()}
}

// unsupported is the event of an update that is not understood. It stands in the
// conversation that can be made out: a chat, else the private chat of the person
// it names, which has that person's id; else in one of the bot with itself, which
// no customer has.
func (u *update) unsupported() connectors.Event {
	body := object(u.body)
	chat, where := person{}, conversation{}
	for _, holder := range []map[string]json.RawMessage{body, object(body["message"])} {
		if chat = personOf(holder["chat"]); chat.id != 0 {
			where = conversation{Chat: chat.id, Business: text(holder["business_connection_id"])}
			if isTrue(holder["is_topic_message"]) {
				where.Topic = number(holder["message_thread_id"])
			}
			break
		}
	}
	from := personOf(body["from"])
	if from.id == 0 {
		from = personOf(body["user"])
	}
	if from.id == 0 {
		from = chat
	}
	if where.Chat == 0 {
		where.Chat = from.id
	}
	if where.Chat == 0 {
		_, _ = fmt.Sscan(u.bot, &where.Chat)
		from.id, from.first = where.Chat, "Telegram"
	}
	return connectors.Event{
		ID:         connectors.EventID(u.bot, string(connectors.KindUnsupported), "u"+decimal(u.id), hash(string(u.raw))),
		Kind:       connectors.KindUnsupported,
		TrackingID: where.trackingID(),
		Customer:   from.customer(u.channel),
		Text:       unsupportedText(u.kind),
	}
}

func unsupportedText(kind string) string {
	if kind == "" {
		return "an update without content"
	}
	return "an update of kind " + readable(kind)
}

// maxName is the longest name of a member that is shown.
const maxName = 40

// readable names a member of the API for people; one that does not look like a
// name is not shown.
func readable(name string) string {
	if len(name) > maxName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_0123456789") != "" {
		return "unknown"
	}
	return strings.ReplaceAll(name, "_", " ")
}

// hash tells contents apart in an event ID.
func hash(members ...string) string {
	h := sha256.New()
	for _, m := range members {
		fmt.Fprintf(h, "%d:%s", len(m), m)
	}
	return hex.EncodeToString(h.Sum(nil))[:8]
}

// decode reads content into one of the models. The models refuse a whole message
// for one member with a type that is new to them; then it is read without the
// members that cannot be read. false: even that gives nothing.
func decode[T any](body json.RawMessage) (*T, bool) {
	v := new(T)
	if json.Unmarshal(body, v) == nil {
		return v, string(body) != "null"
	}
	v = new(T)
	if json.Unmarshal(prune[T](body, levels), v) != nil {
		return nil, false
	}
	return v, true
}

// nested are the members that hold a message again.
var nested = []string{"message", "reply_to_message", "pinned_message"}

// levels is how deep messages stand in one another: a button's press holds one,
// and that one what it answers.
const levels = 2

// prune leaves out what T cannot hold, member by member.
func prune[T any](body json.RawMessage, levels int) json.RawMessage {
	members := object(body)
	if members == nil {
		return body
	}
	for name, value := range members {
		if fits[T](name, value) {
			continue
		}
		delete(members, name)
		if levels > 0 && slices.Contains(nested, name) {
			if value = prune[models.Message](value, levels-1); fits[T](name, value) {
				members[name] = value
			}
		}
	}
	pruned, err := json.Marshal(members)
	if err != nil {
		return body
	}
	return pruned
}

func fits[T any](name string, value json.RawMessage) bool {
	one, err := json.Marshal(map[string]json.RawMessage{name: value})
	return err == nil && json.Unmarshal(one, new(T)) == nil
}

// object reads the members of an object; nil for anything else.
func object(raw json.RawMessage) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members
}

// text, number and isTrue read one member, if it is of that type.
func text(raw json.RawMessage) (s string) {
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func number(raw json.RawMessage) (n int64) {
	if json.Unmarshal(raw, &n) != nil {
		return 0
	}
	return n
}

func isTrue(raw json.RawMessage) (b bool) { return json.Unmarshal(raw, &b) == nil && b }
