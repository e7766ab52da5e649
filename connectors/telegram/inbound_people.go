package telegram

import (
	"encoding/json"
	"strings"

	"github.com/go-telegram/bot/models"

	"servicelink/connectors"
)

// person is a user, or a chat that speaks for itself.
type person struct {
	id                        int64
	first, last, title, login string
	language                  string // IETF tag, as the person's app says
	group                     string // where they write, when others do too
}

func userPerson(u *models.User) person {
	return person{id: u.ID, first: u.FirstName, last: u.LastName, login: u.Username, language: u.LanguageCode}
}

func chatPerson(c *models.Chat) person {
	return person{id: c.ID, first: c.FirstName, last: c.LastName, title: c.Title, login: c.Username}
}

// personOf reads a user or a chat as far as it can be read.
func personOf(raw json.RawMessage) person {
	m := object(raw)
	return person{
		id: number(m["id"]), first: text(m["first_name"]), last: text(m["last_name"]), title: text(m["title"]),
		login: text(m["username"]), language: text(m["language_code"]),
	}
}

// senderOf says who wrote m. A channel, or a group whose administrator stays
// unnamed, is in sender_chat; from is then a made-up user.
func senderOf(m *models.Message) person {
	var p person
	switch {
	case m.SenderChat != nil:
		p = chatPerson(m.SenderChat)
		p.first = m.AuthorSignature
	case m.From != nil:
		p = userPerson(m.From)
	default:
		p = chatPerson(&m.Chat)
		p.first = m.AuthorSignature
	}
	if p.id != m.Chat.ID {
		p.group = m.Chat.Title
	}
	return p
}

// name is how the person is shown; empty when nothing is known but the id.
func (p person) name() string {
	name := strings.TrimSpace(strings.TrimSpace(p.first) + " " + strings.TrimSpace(p.last))
	switch title := strings.TrimSpace(p.title); {
	case name != "" && title != "":
		return name + ", " + title
	case title != "":
		return title
	case name == "":
		return p.login
	}
	return name
}

// customer is the person as the core gets it. In a group PartyName and
// RemoteAddress are those of who wrote, so that the agent sees who speaks; the
// group's title is in the UserToken.
func (p person) customer(channel string) connectors.Customer {
	c := connectors.Customer{
		RemoteAddress: decimal(p.id), PartyName: p.name(), UserToken: p.token(), Culture: culture(p.language),
	}
	if p.login != "" {
		c.RemoteAddress = "@" + p.login
	}
	if c.PartyName == "" {
		c.PartyName = "New contact " + channel + "-" + decimal(p.id)
	}
	return c
}

// token makes the UserToken, the id first of all.
func (p person) token() string {
	return connectors.UserToken([]connectors.Member{
		{Name: "id", Value: decimal(p.id)},
		{Name: "login", Value: p.login},
		{Name: "language", Value: p.language},
		{Name: "group", Value: p.group},
	})
}

// culture makes the ISO code of a language of an IETF tag: "pt-br" is "pt". Empty
// for what has no code of two letters.
func culture(tag string) string {
	language, _, _ := strings.Cut(strings.ToLower(tag), "-")
	if len(language) != 2 || strings.Trim(language, "abcdefghijklmnopqrstuvwxyz") != "" {
		return ""
	}
	return language
}
