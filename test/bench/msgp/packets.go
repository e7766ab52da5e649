package msgp

import "time"

//msgp:newtime

// Sentence is simprot.ChatSentenceInfo.
type Sentence struct {
	Peer          string     `msg:"Peer,omitempty"`
	Port          string     `msg:"Port,omitempty"`
	TrackingId    string     `msg:"TrackingId,omitempty"`
	ChatId        string     `msg:"ChatId,omitempty"`
	ID            string     `msg:"ID,omitempty"`
	PartyName     string     `msg:"PartyName,omitempty"`
	Text          string     `msg:"Text,omitempty"`
	TimeSent      time.Time  `msg:"TimeSent,omitempty"`
	IsOutbound    bool       `msg:"IsOutbound,omitempty"`
	Counter       int32      `msg:"Counter,omitempty"`
	ConfirmedTime *time.Time `msg:"ConfirmedTime,omitempty"`
	Model         int32      `msg:"Model,omitempty"`
}

// Status is simprot.ChatStatusInfo without Info, which gateways never see.
type Status struct {
	Peer           string      `msg:"Peer,omitempty"`
	Port           string      `msg:"Port,omitempty"`
	TrackingId     string      `msg:"TrackingId,omitempty"`
	ChatId         string      `msg:"ChatId,omitempty"`
	Status         string      `msg:"Status,omitempty"`
	AgentName      string      `msg:"AgentName,omitempty"`
	AgentId        *string     `msg:"AgentId,omitempty"`
	Sentences      []*Sentence `msg:"Sentences,omitempty"`
	Panel          *Sentence   `msg:"Panel,omitempty"`
	Navigation     *Sentence   `msg:"Navigation,omitempty"`
	CoBrowsingData *Sentence   `msg:"CoBrowsingData,omitempty"`
	DeadTimeUtc    *time.Time  `msg:"DeadTimeUtc,omitempty"`
	Counter        int32       `msg:"Counter,omitempty"`
	AfterCounter   int32       `msg:"AfterCounter,omitempty"`
}

// Command is simprot.ChatCommandInfo.
type Command struct {
	Peer       string     `msg:"Peer,omitempty"`
	Port       string     `msg:"Port,omitempty"`
	TrackingId string     `msg:"TrackingId,omitempty"`
	ChatId     *string    `msg:"ChatId,omitempty"`
	ID         string     `msg:"ID,omitempty"`
	TimeStamp  *time.Time `msg:"TimeStamp,omitempty"`
	AgentId    *string    `msg:"AgentId,omitempty"`
	IsTyping   *bool      `msg:"IsTyping,omitempty"`
}
