package twilio

import (
	"context"
	"net/url"
	"regexp"
	"strings"
	"time"

	openapi "github.com/twilio/twilio-go/rest/api/v2010"
)

// listed is a message as the list of messages shows it.
type listed struct {
	SID         word `json:"sid"`
	Direction   word `json:"direction"` // "inbound", "outbound-api", ...
	From        word `json:"from"`
	To          word `json:"to"`
	Body        word `json:"body"`
	NumMedia    word `json:"num_media"`
	Service     word `json:"messaging_service_sid"`
	ContentSID  word `json:"content_sid"` // of a template, where the list tells
	Status      word `json:"status"`
	ErrorCode   word `json:"error_code"`
	DateCreated word `json:"date_created"`
	DateSent    word `json:"date_sent"`
}

func (m listed) inbound() bool { return m.Direction == "inbound" }

// at is when the message was made or came; zero = not told.
func (m listed) at() time.Time {
	if t := m.DateCreated.time(); !t.IsZero() {
		return t
	}
	return m.DateSent.time()
}

// page is one of a list, and where the next one is; both members are empty at the end.
type page struct{ token, number string }

// nextPage takes of the next page's address only what names the page: where it leads
// is not Twilio's to say.
func nextPage(address word) page {
	u, err := url.Parse(string(address))
	if err != nil {
		return page{}
	}
	return page{u.Query().Get("PageToken"), u.Query().Get("Page")}
}

// messages reads one page of the list, the latest message first.
func (c *Channel) messages(ctx context.Context, params *openapi.ListMessageParams, at page) (list []listed, next page, err error) {
	request, service := c.call(ctx)
	_, _ = service.PageMessage(params, at.token, at.number) // read says what came of it
	var answer struct {
		Messages []listed `json:"messages"`
		Next     word     `json:"next_page_uri"`
	}
	if err := request.read(&answer); err != nil {
		return nil, page{}, err
	}
	if answer.Messages == nil { // no list is another thing than an empty one
		return nil, page{}, noAnswer()
	}
	return answer.Messages, nextPage(answer.Next), nil
}

// sidForm is what stands in a request's path as it is.
var sidForm = regexp.MustCompile(`^[0-9A-Za-z]{2,64}$`)

// own is one of an address of this network, without the prefix; ok is false for
// another network's.
func (c *Channel) own(address word) (string, bool) {
	bare, ok := strings.CutPrefix(string(address), c.traits.Prefix)
	return bare, ok && addressForm.MatchString(bare)
}
