package omnichannel

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// maxBody bounds a request of the gateway.
const maxBody = 1 << 20

// sendMessage is the body of /send_message.
type sendMessage struct {
	ChatID  json.Number `json:"chat_id"`
	Message struct {
		ID   string `json:"id"`
		Kind string `json:"kind"`
		Text string `json:"text"`
		Data struct {
			Buttons []struct {
				ID   string `json:"id"`
				Text string `json:"text"`
			} `json:"buttons"`
		} `json:"data"`
	} `json:"message"`
}

// API implements control.Network.
func (n *Network) API() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{account}/send_message", n.serveSend)
	mux.HandleFunc("OPTIONS /{account}/send_message", n.serveOptions)
	mux.HandleFunc("GET /{account}/files/{id}/{name}", n.serveFile)
	return mux
}

func (n *Network) serveSend(w http.ResponseWriter, r *http.Request) {
	account := r.PathValue("account")
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var in sendMessage
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	seq := n.Begin(control.Request{
		Account: account, Method: "send_message", Header: r.Header.Clone(), Body: string(body),
		Params: map[string]string{
			"chat_id": in.ChatID.String(), "id": in.Message.ID, "kind": in.Message.Kind, "text": in.Message.Text,
		},
	})
	fault, spoilt := n.Take(account, "send_message")
	var answer control.Answer
	if spoilt && fault.Instead() {
		answer = instead(fault)
	} else {
		answer = n.send(account, r.Header.Get("Authorization"), in, err)
	}
	n.finish(w, r, seq, answer, fault)
}

// serveOptions tells who looks whether somebody is there.
func (n *Network) serveOptions(w http.ResponseWriter, r *http.Request) {
	account := r.PathValue("account")
	seq := n.Begin(control.Request{Account: account, Method: "options", Header: r.Header.Clone()})
	fault, spoilt := n.Take(account, "options")
	answer := control.Answer{Status: http.StatusNoContent, Header: http.Header{"Allow": {"OPTIONS, POST"}}}
	if spoilt && fault.Instead() {
		answer = instead(fault)
	}
	n.finish(w, r, seq, answer, fault)
}

// finish records and gives an answer.
func (n *Network) finish(w http.ResponseWriter, r *http.Request, seq int64, a control.Answer, f control.Fault) {
	status := a.Status
	if f.Kind == control.Swallow || f.Kind == control.Outage {
		status = 0
	}
	n.End(seq, status, string(a.Body), f.Kind)
	control.Give(w, r, a, f, n.life.Done())
}

// send takes an agent's message. One with an id that is known is shown once.
func (n *Network) send(account, proof string, in sendMessage, bad error) control.Answer {
	a, err := n.account(account)
	if err != nil {
		return problem(http.StatusNotFound, "no such account")
	}
	if want := "Token " + a.Token; a.Token != "" && subtle.ConstantTimeCompare([]byte(proof), []byte(want)) != 1 {
		return problem(http.StatusUnauthorized, "wrong token")
	}
	chat := in.ChatID.String()
	if bad != nil || chat == "" || strings.ContainsAny(chat, ".eE") || in.Message.ID == "" {
		return problem(http.StatusBadRequest, "not the body of send_message")
	}
	if in.Message.Text == "" {
		return problem(http.StatusBadRequest, "message.text is missing")
	}
	m := control.Message{
		ID: control.ID(in.Message.ID), From: control.FromAgent, Kind: "text", Text: in.Message.Text, Copies: 1, At: time.Now(),
	}
	if list := in.Message.Data.Buttons; len(list) > 0 {
		row := make([]control.Button, len(list))
		for i, b := range list {
			row[i] = control.Button{Text: b.Text, Data: b.ID}
		}
		m.Buttons = [][]control.Button{row}
	}
	err = n.Change(account, control.ID(chat), func(c *control.Conversation) {
		i := slices.IndexFunc(c.Messages, func(known control.Message) bool { return known.ID == m.ID })
		if i >= 0 {
			c.Messages[i].Copies++
			return
		}
		c.Messages = append(c.Messages, m)
	})
	if err != nil {
		return problem(http.StatusInsufficientStorage, err.Error())
	}
	return reply(http.StatusOK, map[string]bool{"ok": true})
}

// serveFile serves a customer's file, as the client's own server would.
func (n *Network) serveFile(w http.ResponseWriter, r *http.Request) {
	account := r.PathValue("account")
	seq := n.Begin(control.Request{
		Account: account, Method: "file", Header: r.Header.Clone(), Params: map[string]string{"id": r.PathValue("id")},
	})
	fault, spoilt := n.Take(account, "file")
	f := n.file(account, r.PathValue("id"))
	var answer control.Answer
	switch {
	case spoilt && fault.Instead():
		answer = instead(fault)
	case f == nil:
		answer = problem(http.StatusNotFound, "no such file")
	default:
		out := &control.Buffer{}
		out.Header().Set("Content-Type", f.Type)
		out.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
		http.ServeContent(out, r, "", f.made, bytes.NewReader(f.Data))
		answer = out.Answer()
	}
	n.finish(w, r, seq, answer, fault)
}

// instead is the answer of a fault that takes the place of the method.
func instead(f control.Fault) control.Answer {
	switch f.Kind {
	case control.Rate:
		a := problem(http.StatusTooManyRequests, "too many requests")
		a.Header.Set("Retry-After", strconv.Itoa(f.RetryAfter))
		return a
	case control.HTML:
		return control.HTMLPage()
	case control.Unauthorized:
		return problem(http.StatusUnauthorized, "wrong token")
	case control.Conflict:
		return problem(http.StatusConflict, "conflict")
	case control.Blocked:
		return problem(http.StatusForbidden, "the visitor left")
	default:
		return problem(http.StatusInternalServerError, "internal error")
	}
}

func problem(status int, text string) control.Answer {
	return reply(status, map[string]string{"error": text})
}

func reply(status int, v any) control.Answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings and booleans can be written
	}
	return control.Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}
