package graph

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"servicelink/test/netsim/control"
)

// load gets a file by its link.
func (s *site) load(link string) (status int, kind, body string) {
	s.t.Helper()
	path, ours := strings.CutPrefix(link, "http://sim/graph")
	if !ours {
		s.t.Fatalf("the file is at %s", link)
	}
	answer := s.do("GET", path, nil)
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	must(s.t, err)
	return answer.StatusCode, answer.Header.Get("Content-Type"), string(raw)
}

// TestLinks: a customer's file lies behind a link that expires; the message's node
// gives a fresh one.
func TestLinks(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		mid := s.act(control.Action{Do: "document", File: &control.File{Name: `b/Größe "1".pdf`, Type: "application/pdf", Data: []byte("%PDF")}})
		link := fmt.Sprint(dig(s.last(), "message attachments x payload url"))
		if status, kind, body := s.load(link); status != 200 || kind != "application/pdf" || body != "%PDF" {
			t.Errorf("at first: %d %s %s", status, kind, body)
		}
		if status, _, _ := s.load(strings.Replace(link, "oe=", "oe=1", 1)); status != 403 {
			t.Errorf("with another time: %d", status)
		}
		if status, _, _ := s.load(strings.Replace(link, shop, other, 1)); status != 404 {
			t.Errorf("of another page: %d", status)
		}
		time.Sleep(linkLife)
		if status, _, body := s.load(link); status != 403 || body != "URL signature expired" {
			t.Errorf("later: %d %s", status, body)
		}
		s.set(`{"link_seconds":60}`)
		for _, fields := range []string{"attachments", "id,attachments%7Bid,file_url%7D,message"} {
			v := s.wants(0, 0, "GET", "/v25.0/"+string(mid)+"?fields="+fields, nil)
			fresh := fmt.Sprint(dig(v, "attachments data x file_url"))
			if status, _, body := s.load(fresh); status != 200 || body != "%PDF" || dig(v, "attachments data x mime_type") != "application/pdf" {
				t.Errorf("a fresh one: %d in %v", status, v)
			}
			time.Sleep(time.Minute)
			if status, _, _ := s.load(fresh); status != 403 {
				t.Errorf("a fresh one after its time: %d", status)
			}
		}
		if got := s.Requests(control.Filter{Account: shop, Method: "file"}); len(got) < 5 {
			t.Errorf("recorded %d downloads", len(got))
		}
		s.wants(100, 0, "GET", "/v25.0/"+string(mid)+"?fields=texts", nil)
		s.act(control.Action{Do: "unsend", Message: mid})
		s.wants(100, 33, "GET", "/v25.0/"+string(mid)+"?fields=attachments", nil)
	})
}

// TestMessageNode: what a message tells of itself.
func TestMessageNode(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		photo := s.act(control.Action{Do: "photo", File: &control.File{Data: picture}, User: control.User{FirstName: "Ann"}})
		video := s.act(control.Action{Do: "video", File: &control.File{Data: []byte("v")}})
		ours := s.send(j{"text": "hi"})
		const all = "?fields=id,message,from,to,created_time,attachments"
		v := s.wants(0, 0, "GET", "/v25.0/"+string(photo)+all, nil)
		if dig(v, "attachments data x image_data url") == nil || v.in("from", "name") != "Ann" || dig(v, "to data x id") != shop {
			t.Errorf("a photo is %v", v)
		}
		v = s.wants(0, 0, "GET", "/v25.0/"+string(video)+all, nil)
		if dig(v, "attachments data x video_data url") == nil {
			t.Errorf("a video is %v", v)
		}
		v = s.wants(0, 0, "GET", "/v25.0/"+string(ours)+all, nil)
		if v.in("message") != "hi" || v.in("from", "id") != shop || v.in("attachments") != nil || dig(v, "to data x id") != ann {
			t.Errorf("ours is %v", v)
		}
	})
}

// upload is a multipart body with a file.
func upload(t *testing.T, field, name, kind string, data []byte, more j) (io.Reader, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for k, v := range more {
		must(t, w.WriteField(k, fmt.Sprint(v)))
	}
	part, err := w.CreatePart(map[string][]string{
		"Content-Disposition": {`form-data; name="` + field + `"; filename="` + name + `"`}, "Content-Type": {kind},
	})
	must(t, err)
	_, err = part.Write(data)
	must(t, err)
	must(t, w.Close())
	return &body, w.FormDataContentType()
}

// TestUpload: a file that comes with the send is shown, and comes again in the echo.
func TestUpload(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		post := func(path, field, kind, name, mimeType string, data []byte, payload string) (int, item) {
			body, contentType := upload(t, field, name, mimeType, data, j{
				"recipient": `{"id":"` + ann + `"}`, "messaging_type": "RESPONSE",
				"message": `{"attachment":{"type":"` + kind + `","payload":` + payload + `}}`,
			})
			return s.ask("POST", path, body, "Content-Type", contentType, "Authorization", "Bearer "+pageToken)
		}
		status, v := post(sendPath, "filedata", "file", "a.txt", "text/plain", []byte("xyz"), `{"is_reusable":true}`)
		attachment := fmt.Sprint(v.in("attachment_id"))
		if status != 200 || v.in("attachment_id") == nil {
			t.Fatalf("%d %v", status, v)
		}
		time.Sleep(time.Second)
		echo := s.items()[1]
		if _, _, body := s.load(fmt.Sprint(dig(echo, "message attachments x payload url"))); body != "xyz" || dig(echo, "message attachments x type") != "file" {
			t.Errorf("echo %v", echo)
		}
		m := s.seen().Messages[1]
		id := m.File.URL[strings.LastIndex(m.File.URL, "/")+1:]
		if f, err := s.File(shop, id); err != nil || string(f.Data) != "xyz" || m.Kind != "document" || m.File.Name != "a.txt" {
			t.Errorf("shown %+v, %v", m, err)
		}
		if _, err := s.File(other, id); err == nil {
			t.Error("another page has it")
		}
		s.send(j{"attachment": j{"type": "file", "payload": j{"attachment_id": attachment}}})
		if m := s.seen().Messages[2]; m.File == nil || m.File.Name != "a.txt" {
			t.Errorf("again %+v", m)
		}
		for _, wrong := range []struct {
			field, kind, mimeType string
			data                  []byte
			payload               string
		}{
			{"file", "file", "text/plain", []byte("x"), `{}`},
			{"filedata", "image", "text/plain", []byte("x"), `{}`},
			{"filedata", "file", "text/plain", nil, `{}`},
			{"filedata", "file", "text/plain", []byte("x"), `{"url":"http://x/y"}`},
		} {
			if status, v := post(sendPath, wrong.field, wrong.kind, "a", wrong.mimeType, wrong.data, wrong.payload); status != 400 || v.in("error", "code") != 100.0 {
				t.Errorf("%s %s: %d %v", wrong.field, wrong.kind, status, v)
			}
		}
		big := &call{files: []control.Upload{{Field: "filedata", Size: maxFile + 1}}}
		if err := big.uploaded(&outgoing{}); err == nil {
			t.Error("a file of more than 25 MB is taken")
		}
		body, contentType := upload(t, "filedata", "a.png", "image/png", picture, j{"message": `{"attachment":{"type":"image","payload":{}}}`})
		status, v = s.ask("POST", "/v25.0/me/message_attachments", body, "Content-Type", contentType, "Authorization", "Bearer "+pageToken)
		if status != 200 {
			t.Fatalf("%d %v", status, v)
		}
		s.send(j{"attachment": j{"type": "image", "payload": j{"attachment_id": v.in("attachment_id")}}})
		s.wants(100, 0, "POST", "/v25.0/me/message_attachments", j{"message": j{"text": "x"}})
	})
}

// TestUnfetched: without Settings.FetchURLs the phone shows the address, and so does
// the echo.
func TestUnfetched(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		s.send(j{"attachment": j{"type": "image", "payload": j{"url": "http://shop.example/a/b.png"}}, "quick_replies": []j{{"content_type": "text", "title": "a", "payload": "b"}}})
		if m := s.seen().Messages[1]; m.Kind != "photo" || m.File.URL != "http://shop.example/a/b.png" || m.File.Type != "image/png" || len(m.Buttons) != 1 {
			t.Errorf("shown %+v", m)
		}
		time.Sleep(statusPause)
		if got := dig(s.last(), "message attachments x payload url"); got != "http://shop.example/a/b.png" {
			t.Errorf("echo %v", s.last())
		}
		v := s.wants(0, 0, "POST", "/v25.0/me/message_attachments", j{"message": j{"attachment": j{"type": "image", "payload": j{"url": "http://shop.example/c.png", "is_reusable": true}}}})
		s.send(j{"attachment": j{"type": "image", "payload": j{"attachment_id": v.in("attachment_id")}}})
		if m := s.seen().Messages[2]; m.File.URL != "http://shop.example/c.png" {
			t.Errorf("shown %+v", m)
		}
	})
}

// TestFetch: the network gets a file from its URL before it answers.
func TestFetch(t *testing.T) {
	shopSite := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a.png":
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("Content-Disposition", `inline; filename="logo.png"`)
			_, _ = w.Write(picture)
		case "/big":
			_, _ = w.Write(make([]byte, maxFile+1))
		case "/empty":
		default:
			http.NotFound(w, r)
		}
	}))
	defer shopSite.Close()
	s := &site{t: t, Server: New(Options{Seed: 1, FetchURLs: true})}
	defer s.Close()
	must(t, s.AddAccount(Account{Account: shop, Token: pageToken, AppID: appID, AppSecret: secret}))
	s.act(control.Action{Do: "text", Text: "x"})
	image := func(path string) j {
		return toAnn(j{"attachment": j{"type": "image", "payload": j{"url": shopSite.URL + path}}})
	}
	s.wants(0, 0, "POST", sendPath, image("/a.png"))
	m := s.seen().Messages[1]
	if f, err := s.File(shop, m.File.URL[strings.LastIndex(m.File.URL, "/")+1:]); err != nil || f.Name != "logo.png" || !bytes.Equal(f.Data, picture) {
		t.Errorf("shown %+v, %v", m, err)
	}
	for _, path := range []string{"/none", "/big", "/empty"} {
		s.wants(100, 2018008, "POST", sendPath, image(path))
	}
	s.wants(100, 2018047, "POST", sendPath, toAnn(j{"attachment": j{"type": "video", "payload": j{"url": shopSite.URL + "/a.png"}}}))
	if base := s.linkTo(s.files[0]); !strings.HasPrefix(base, officialAPI) {
		t.Errorf("without a base it is at %s", base)
	}
}
