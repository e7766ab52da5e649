package connectors

import "time"

// Kind is what an event is about.
type Kind string

// The closed list of kinds. How each becomes text for the core is written in
// gateway/translate.go.
const (
	KindText        Kind = "text"
	KindFile        Kind = "file"
	KindLocation    Kind = "location"
	KindContact     Kind = "contact"
	KindButton      Kind = "button"      // a button or quick reply was pressed
	KindEdit        Kind = "edit"        // RefID was changed to Text
	KindDelete      Kind = "delete"      // RefID was taken back
	KindReaction    Kind = "reaction"    // Text = the reactions now on RefID
	KindService     Kind = "service"     // something happened in the conversation
	KindUnsupported Kind = "unsupported" // Text = a short safe description
	KindStop        Kind = "stop"        // the customer ended the conversation for good
	KindNotice      Kind = "notice"      // what became of a message of ours: Notice; never shown
	KindMessage     Kind = "message"     // a mail: Message. Of devices only
)

// Event is something that came from the network.
type Event struct {
	ID   string // by EventID; <= 64 characters
	Kind Kind
	// NetworkID is the network's own id of the message that came, or that an edit
	// or reaction is about, letter by letter: Part.ReplyTo and MarkRead get it when
	// an agent names the event. Empty where there is no message to answer (a
	// service notice, a press). One longer than MaxNetworkID is left out.
	NetworkID  string `json:",omitempty"`
	TrackingID string // by TrackingID; <= 128 characters
	Customer   Customer
	Text       string // text, caption, button title, description
	File       *File
	Location   *Location
	Contact    *Contact
	Button     *Button
	Notice     *Notice   `json:",omitempty"`
	Message    *Message  `json:",omitempty"` // of KindMessage
	RefID      string    // the network's id of the message an edit, deletion, reaction or reply is about
	Quote      string    // of a reply: the text it answers, or the part of it that was marked; empty = no reply
	SentAt     time.Time // by the network's clock; zero when it does not say
	// ReturnChatID is a ChatId found in a start parameter of the network: a UUID.
	// Anything else is not one, and belongs into Text.
	ReturnChatID string
}

// File is a file that can be fetched.
type File struct {
	Type string // "image/png", "document", ... as shown to the agent
	ID   string // the network's id of the file
	URL  string // where it lies; empty where the connector is an AttachmentOpener
	Name string
	Size int64 // bytes; 0 = not told
	// TooBig: the network does not give it out. It is announced without a link.
	TooBig bool
	// Original: it is the message as it came, of Message.Files.
	Original bool `json:",omitempty"`
}

// Location is a point on the map.
type Location struct {
	Latitude, Longitude float64
	Title               string
}

// Contact is a person the customer sent.
type Contact struct {
	Name    string
	Numbers []string
}
