// Package control holds what all simulated networks share: scripted faults,
// the record of every API request, what customers do and see, and the HTTP
// interface to it. A network embeds a Board and adds its own API.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Errors of the methods a Network offers.
var (
	// ErrUnknownAccount: no such account was added.
	ErrUnknownAccount = errors.New("unknown account")
	// ErrUnknown: no such chat, message or file.
	ErrUnknown = errors.New("not found")
	// ErrAction: the action misses what it needs, or the network has no such thing.
	ErrAction = errors.New("cannot do this")
	// ErrFull: a bound of the simulator's memory was reached.
	ErrFull = errors.New("the simulator is full")
)

// Network is one simulated network as the control API sees it.
type Network interface {
	// API serves what a client of the network calls, paths below "/<network>/".
	API() http.Handler
	// Act does what a customer does and returns the id of the message it made or
	// concerns.
	Act(account string, a Action) (ID, error)
	// Inject brings one event in the network's own JSON to the client.
	Inject(account string, event []byte) error
	// Chat returns the conversation as the customer sees it, once its version is
	// greater than after or ctx has ended; after -1 returns at once.
	Chat(ctx context.Context, account string, chat ID, after int64) (Conversation, error)
	// Chats lists the conversations of an account, oldest first.
	Chats(account string) ([]ChatInfo, error)
	// File returns a file that one side sent, by the id in its URL.
	File(account, id string) (File, error)
	// Requests returns what clients asked, oldest first.
	Requests(f Filter) []Request
	// Await returns the first request that f selects, waiting for it until ctx ends.
	Await(ctx context.Context, f Filter) (Request, error)
	// Fault adds a scripted fault; Faults lists those that are not used up; Clear
	// removes them all.
	Fault(f Fault) error
	Faults() []Fault
	Clear()
	// Accounts lists the accounts, ready for JSON; AddAccountJSON adds or changes
	// one; Set changes the network's settings by a JSON object.
	Accounts() any
	AddAccountJSON(account []byte) error
	Set(settings []byte) error
	// Close ends everything the network has under way.
	Close()
}

// ID is a network's id of a chat, user or message. In JSON it is written as a
// string, because JavaScript's numbers end at 2^53, and read from either.
type ID string

// UnmarshalJSON takes a string or an integer.
func (id *ID) UnmarshalJSON(raw []byte) error {
	var s string
	if len(raw) > 0 && raw[0] == '"' {
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		*id = ID(s)
		return nil
	}
	if bytes.Equal(raw, []byte("null")) {
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(raw, &n); err != nil {
		return fmt.Errorf("an id is a string or an integer: %w", err)
	}
	if bytes.ContainsAny(raw, ".eE") {
		return errors.New("an id is a string or an integer")
	}
	*id = ID(n)
	return nil
}

// Action is what a customer does. Do is one of
//
//	text photo document audio voice video video_note animation sticker
//	location venue contact reply start press edit delete react
//	block unblock title join leave migrate jump
//	stop deliver read fail expire
//	share referral optin unsend unreact unsupported
//	inbox stand profile subscribe unsubscribe drop token scope policy
//	mail renumber
//
// of which a network takes what it has.
type Action struct {
	Do   string `json:"do"`
	Chat ID     `json:"chat,omitempty"` // empty = the private chat of User
	User User   `json:"user,omitzero"`
	// ChatType is the kind of a chat that is new: private (default), group,
	// supergroup, channel. Title is its name.
	ChatType string `json:"chat_type,omitempty"`
	Title    string `json:"title,omitempty"`
	Thread   int64  `json:"thread,omitempty"`   // topic of a group
	Business string `json:"business,omitempty"` // business connection the chat belongs to
	Album    string `json:"album,omitempty"`    // messages with the same one are one album

	Text    string   `json:"text,omitempty"`
	Caption string   `json:"caption,omitempty"`
	Message ID       `json:"message,omitempty"` // what press, edit, delete, react, reply, deliver, read and fail concern
	Quote   string   `json:"quote,omitempty"`   // part of Message that reply marks
	Data    string   `json:"data,omitempty"`    // of the pressed button; parameter of start; error code of fail
	Lat     float64  `json:"lat,omitempty"`
	Lon     float64  `json:"lon,omitempty"`
	Phone   string   `json:"phone,omitempty"`
	Name    string   `json:"name,omitempty"` // of a contact or venue
	File    *File    `json:"file,omitempty"`
	Emoji   []string `json:"emoji,omitempty"`
}

// User is a customer.
type User struct {
	ID           ID     `json:"id,omitempty"`
	FirstName    string `json:"first_name,omitempty"`
	LastName     string `json:"last_name,omitempty"`
	Username     string `json:"username,omitempty"`
	LanguageCode string `json:"language_code,omitempty"`
	Phone        string `json:"phone,omitempty"`
	Email        string `json:"email,omitempty"`
}

// File is a file in full or, in a Conversation, where it lies.
type File struct {
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"` // MIME type
	Size int64  `json:"size,omitempty"` // bytes; larger than Data: only pretended
	URL  string `json:"url,omitempty"`  // path below the simulator's address
	Data []byte `json:"base64,omitempty"`
}

// ChatInfo is one conversation in a list.
type ChatInfo struct {
	Chat    ID     `json:"chat"`
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version int64  `json:"version"`
}

// Sides of a conversation.
const (
	FromCustomer = "customer"
	FromAgent    = "agent"
)

// Conversation is a chat as the customer sees it.
type Conversation struct {
	Version  int64     `json:"version"` // grows with every change
	Typing   bool      `json:"typing"`  // the agent is writing
	Blocked  bool      `json:"blocked,omitempty"`
	Messages []Message `json:"messages"`
	// Notice is the latest short-lived notice (an answered button press).
	Notice string `json:"notice,omitempty"`
}

// Message is one message of a Conversation.
type Message struct {
	ID        ID         `json:"id"`
	From      string     `json:"from"` // customer or agent
	Kind      string     `json:"kind"` // text, photo, document, ..., service
	Text      string     `json:"text,omitempty"`
	Caption   string     `json:"caption,omitempty"`
	File      *File      `json:"file,omitempty"`
	Location  *Location  `json:"location,omitempty"`
	Contact   *Contact   `json:"contact,omitempty"`
	Buttons   [][]Button `json:"buttons,omitempty"`
	ReplyTo   ID         `json:"reply_to,omitempty"`
	Thread    int64      `json:"thread,omitempty"`
	Edited    bool       `json:"edited,omitempty"`
	Deleted   bool       `json:"deleted,omitempty"`
	Reactions []string   `json:"reactions,omitempty"`
	Copies    int        `json:"copies,omitempty"` // how often the client sent it with the same id
	At        time.Time  `json:"at"`
	// State is how far a customer's message got where the network pushes it
	// (StateSending, ...), and one of the agent's where it reports that (queued, sent,
	// delivered, read, failed); Detail says more, for people.
	State  string `json:"state,omitempty"`
	Detail string `json:"detail,omitempty"`
	Read   bool   `json:"read,omitempty"` // the agent's side marked the customer's message as read
	More   []File `json:"more,omitempty"` // files beside File
	Mail   *Mail  `json:"mail,omitempty"` // of a mail
}

// Mail is what a mail has beside. ReplyTo of its Message is its In-Reply-To.
type Mail struct {
	ID         string   `json:"id"` // its Message-ID; empty = it has none
	References []string `json:"references,omitempty"`
	To         string   `json:"to"`
	HTML       string   `json:"html,omitempty"`
}

// Button is a choice below a message.
type Button struct {
	Text string `json:"text"`
	Data string `json:"data,omitempty"`
	URL  string `json:"url,omitempty"`
	// Says: pressing it sends its text as a message (a reply keyboard).
	Says bool `json:"says,omitempty"`
}

// Location is a point on the map.
type Location struct {
	Lat   float64 `json:"lat"`
	Lon   float64 `json:"lon"`
	Title string  `json:"title,omitempty"`
}

// Contact is a person somebody sent.
type Contact struct {
	Name  string `json:"name"`
	Phone string `json:"phone"`
}
