package twilio

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/test/netsim/control"
)

// photo has the customer send a picture and gives its address at the API.
func photo(t *testing.T, n *Network) string {
	t.Helper()
	id := act(t, n, control.Action{Do: "photo", Caption: "see", File: &control.File{Name: "a.png", Data: []byte("\x89PNG\r\n\x1a\n picture")}})
	a := ask(t, n.server, "GET", messages+"/"+string(id)+"/Media.json")
	list, _ := a.JSON["media_list"].([]any)
	if len(list) != 1 || !strings.Contains(a.Body, `"content_type":"image/png"`) || !strings.Contains(a.Body, `"parent_sid":"`+string(id)) {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	uri := list[0].(map[string]any)["uri"].(string)
	if a := ask(t, n.server, "GET", uri); a.Status != 200 || a.JSON["uri"] != uri {
		t.Errorf("the resource: %d %s", a.Status, a.Body)
	}
	return strings.TrimSuffix(uri, ".json")
}

// get asks without credentials; header is pairs.
func get(t *testing.T, s *Server, path string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return serve(t, s, r)
}

// TestMedia: with credentials to the link, without them to the file.
func TestMedia(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		path := photo(t, s.WhatsApp())
		if a := get(t, s, path); a.Status != 401 || a.code() != 20003 {
			t.Errorf("without credentials: %d %s", a.Status, a.Body)
		}
		must(t, s.WhatsApp().Fault(control.Fault{Kind: control.Missing, Method: "media", Times: 1}))
		if a := ask(t, s, "GET", path); a.Status != 404 {
			t.Errorf("not there yet: %d", a.Status)
		}
		a := ask(t, s, "GET", path)
		link, found := strings.CutPrefix(a.Header.Get("Location"), "http://localhost:7/twilio/cdn/")
		if a.Status != 307 || !found || a.Body != "" {
			t.Fatalf("%d %v", a.Status, a.Header)
		}
		link = "/cdn/" + link
		for name, tc := range map[string]struct {
			path   string
			header []string
			status int
			body   string
		}{
			"whole":       {link, nil, 200, "\x89PNG\r\n\x1a\n picture"},
			"range":       {link, []string{"Range", "bytes=9-"}, 206, "picture"},
			"credentials": {link, []string{"Authorization", "Basic x"}, 400, ""},
			"other file":  {strings.Replace(link, "/ME", "/ME0", 1), nil, 404, ""},
			"forged":      {strings.Replace(link, "Signature=", "Signature=x", 1), nil, 403, ""},
			"longer":      {strings.Replace(link, "Expires=", "Expires=9", 1), nil, 403, ""},
			"bare":        {strings.Split(link, "?")[0], nil, 403, ""},
		} {
			a := get(t, s, tc.path, tc.header...)
			if a.Status != tc.status || tc.body != "" && (a.Body != tc.body || a.Header.Get("Content-Type") != "image/png") {
				t.Errorf("%s: %d %q %v", name, a.Status, a.Body, a.Header)
			}
		}
		<-time.After(mediaLinkLife + time.Second)
		if a := get(t, s, link); a.Status != 403 || !strings.Contains(a.Body, "expired") {
			t.Errorf("an old link: %d %s", a.Status, a.Body)
		}
		for _, path := range []string{path + "0", messages + "/MM0/Media/ME0", messages + "/MM0/Media.json"} {
			if a := ask(t, s, "GET", path); a.Status != 404 {
				t.Errorf("%s: %d", path, a.Status)
			}
		}
	})
}

func TestLinkBase(t *testing.T) {
	for base, want := range map[string]string{
		"":                             "https://mms.twiliocdn.com",
		"http://127.0.0.1:8/twilio":    "http://localhost:8/twilio",
		"http://localhost:8/twilio":    "http://127.0.0.1:8/twilio",
		"https://sim.example/twilio":   "https://sim.example/twilio",
		"http://127.0.0.1":             "http://localhost",
		"http://sim.example:80/twilio": "http://sim.example:80/twilio",
	} {
		s := New(Options{BaseURL: func() string { return base }})
		if got := s.linkBase(); got != want {
			t.Errorf("%s: %s, want %s", base, got, want)
		}
		s.Close()
	}
}

// TestMediaURL: a client's file is shown by its address, or fetched and shown.
func TestMediaURL(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a.png":
			w.Header().Set("Content-Type", "image/png")
		case "/doc":
			w.Header().Set("Content-Disposition", `attachment; filename="a b.pdf"`)
			w.Header().Set("Content-Type", "application/pdf; x=y")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte("content"))
	}))
	defer files.Close()
	s := newServer(t, nil)
	n := s.SMS()
	a := send(t, n, "Body", "two", "MediaUrl", files.URL+"/a.png?x=y", "MediaUrl", files.URL+"/doc")
	if a.Status != 201 || a.JSON["num_media"] != "2" || !strings.HasPrefix(a.JSON["sid"].(string), "MM") {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if r := n.Requests(control.Filter{Method: "create_message"})[0]; !strings.HasPrefix(r.Params["MediaUrl"], `["`+files.URL) {
		t.Errorf("recorded %v", r.Params)
	}
	m := when(t, n, lastIn("delivered"))[0]
	if m.Kind != "photo" || m.Caption != "two" || m.File.URL != files.URL+"/a.png?x=y" || m.File.Name != "a.png" || len(m.More) != 1 {
		t.Errorf("shown %+v", m)
	}
	must(t, n.Set([]byte(`{"fetch_urls":true}`)))
	send(t, n, "MediaUrl", files.URL+"/a.png", "MediaUrl", files.URL+"/doc")
	list := when(t, n, func(list []control.Message) bool { return len(list) == 2 && lastIn("delivered")(list) })
	m = list[1]
	if m.File.Type != "image/png" || m.More[0].Name != "a b.pdf" || m.More[0].Type != "application/pdf" || m.More[0].Size != 7 {
		t.Errorf("shown %+v", m)
	}
	sid, found := strings.CutPrefix(m.More[0].URL, "/control/sms/file/"+ours+"/")
	if f, err := n.File("whatsapp:"+ours[1:], sid); !found || err != nil || string(f.Data) != "content" {
		t.Errorf("the phone gets %+v, %v from %s", f, err, m.More[0].URL)
	}
	for _, address := range []string{files.URL + "/other", "http://127.0.0.1:1/a.png"} {
		send(t, n, "MediaUrl", address)
		if list := when(t, n, lastIn("failed")); !strings.HasPrefix(list[len(list)-1].Detail, "63019 ") {
			t.Errorf("shown %+v", list)
		}
		send(t, n, "Body", "between")
		when(t, n, lastIn("delivered"))
	}
}

// TestMediaThroughRedirect: an ordinary client gets the file, and leaves its
// credentials behind on the way to the other host.
func TestMediaThroughRedirect(t *testing.T) {
	s := newServer(t, nil)
	server := httptest.NewServer(http.StripPrefix("/twilio", s.API()))
	defer server.Close()
	s.o.BaseURL = func() string { return server.URL + "/twilio" }
	path := photo(t, s.SMS())
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, server.URL+"/twilio"+path, nil)
	must(t, err)
	r.SetBasicAuth(key, "secret")
	client := server.Client()
	u, err := url.Parse(server.URL)
	must(t, err)
	client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Hostname() != "localhost" {
			t.Errorf("led to %s", r.URL)
		}
		r.URL.Host = u.Host // the name need not be known here
		return nil
	}
	a, err := client.Do(r)
	must(t, err)
	defer a.Body.Close()
	if a.StatusCode != 200 || a.Request.Header.Get("Authorization") != "" {
		t.Errorf("%d %v", a.StatusCode, a.Request.Header)
	}
}
