package refcore

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// Address names a conversation.
type Address struct {
	Peer       string
	Port       string
	TrackingID string
}

// Chat is one chat of a conversation: a conversation has at most one open chat
// and any number of closed ones before it.
type Chat struct {
	ID uuid.UUID
	Address
	Status        simprot.Status
	PartyName     string // the customer's name
	RemoteAddress string
	UserToken     string
	Culture       string
	AgentName     string // empty until an agent answered
	AgentID       uuid.UUID
	Started       time.Time
	Updated       time.Time // last sentence or change of status
	Closed        time.Time // zero while open

	// The store keeps these up to date.
	Counter     int32 // of the last sentence
	ReadCounter int32 // of the last sentence the agent has seen
	Unread      int   // inbound sentences of Model 0 above ReadCounter
	Unconfirmed int   // outbound sentences without ConfirmedTime
}

// Errors of a Store. Others mean that the store itself failed.
var (
	ErrNoChat     = errors.New("refcore: no such chat")
	ErrNoSentence = errors.New("refcore: no such sentence")
	ErrInbound    = errors.New("refcore: the sentence is inbound")
)

// Store keeps chats and their sentences, and messages.
//
// It must be safe for concurrent use, but the Core calls it for one
// (Peer, Port) from one goroutine at a time. Sentences handed in or out are
// shared and never modified afterwards: a change replaces the sentence.
type Store interface {
	MessageStore

	// Create adds a chat.
	Create(Chat) error
	// Chat finds a chat, ErrNoChat otherwise.
	Chat(id uuid.UUID) (Chat, error)
	// Latest finds the newest chat of a conversation, open or closed; ErrNoChat.
	Latest(Address) (Chat, error)
	// List returns the chats of a Port, oldest first; of every Port when all is set.
	List(peer, port string, all bool) ([]Chat, error)
	// Update changes a chat's own members (not the store's, not ID, Peer, Port)
	// and returns it; ErrNoChat.
	Update(id uuid.UUID, change func(*Chat)) (Chat, error)
	// Append gives the sentence the chat's next Counter, stores it and sets
	// Updated. It returns the chat and how many sentences of that ID and
	// direction the chat held before: IDs are not checked for uniqueness.
	Append(id uuid.UUID, s *simprot.ChatSentenceInfo, at time.Time) (c Chat, before int, err error)
	// Confirm sets the ConfirmedTime of the conversation's oldest unconfirmed
	// outbound sentence of that ID, its newest chat first, and returns both. A
	// confirmed one is returned as it is; ErrInbound when only an inbound one
	// has the ID; ErrNoSentence.
	Confirm(a Address, sentenceID string, at time.Time) (Chat, *simprot.ChatSentenceInfo, error)
	// Read marks everything as seen by the agent, sets the ConfirmedTime of
	// inbound sentences of Model 0 seen for the first time, and returns those.
	Read(id uuid.UUID, at time.Time) ([]*simprot.ChatSentenceInfo, error)
	// Sentences returns the sentences with a Counter above after, in order; a
	// non-nil slice unless it fails.
	Sentences(id uuid.UUID, after int32) ([]*simprot.ChatSentenceInfo, error)
	// Reset forgets everything but the register of gateways.
	Reset() error
}
