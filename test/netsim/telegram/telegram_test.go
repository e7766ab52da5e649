package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"servicelink/test/netsim/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "123456:simulated-token"

// newNetwork makes a network with one bot.
func newNetwork(t *testing.T) *Network {
	t.Helper()
	n := New(Options{Seed: 1})
	t.Cleanup(n.Close)
	must(t, n.AddAccount(Account{Token: token, Username: "shop_bot", Name: "Shop"}))
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reply is an answer of the API.
type reply struct {
	Status      int
	Header      http.Header
	OK          bool
	Code        int    `json:"error_code"`
	Description string `json:"description"`
	Result      json.RawMessage
	Parameters  struct {
		RetryAfter int   `json:"retry_after"`
		MigrateTo  int64 `json:"migrate_to_chat_id"`
	}
}

func (r reply) String() string {
	return fmt.Sprintf("%d %v %s %s", r.Status, r.OK, r.Description, r.Result)
}

// into decodes the result.
func (r reply) into(t *testing.T, v any) {
	t.Helper()
	if !r.OK {
		t.Fatalf("refused: %v", r)
	}
	must(t, json.Unmarshal(r.Result, v))
}

// serve sends one request to the API without a network between.
func serve(t *testing.T, n *Network, r *http.Request) reply {
	t.Helper()
	w := httptest.NewRecorder()
	n.API().ServeHTTP(w, r)
	got := reply{Status: w.Code, Header: w.Header()}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%s: not JSON: %q", r.URL, w.Body)
	}
	return got
}

// ask calls a method with parameters in JSON.
func ask(t *testing.T, n *Network, method string, p map[string]any) reply {
	t.Helper()
	return askIn(t.Context(), t, n, method, p)
}

func askIn(ctx context.Context, t *testing.T, n *Network, method string, p map[string]any) reply {
	t.Helper()
	body, err := json.Marshal(p)
	must(t, err)
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/bot"+token+"/"+method, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return serve(t, n, r)
}

// update is what a bot gets.
type gotUpdate struct {
	UpdateID int64                      `json:"update_id"`
	Kinds    map[string]json.RawMessage `json:"-"`
}

func (u *gotUpdate) UnmarshalJSON(raw []byte) error {
	if err := json.Unmarshal(raw, &u.Kinds); err != nil {
		return err
	}
	err := json.Unmarshal(u.Kinds["update_id"], &u.UpdateID)
	delete(u.Kinds, "update_id")
	return err
}

func updates(t *testing.T, n *Network, p map[string]any) []gotUpdate {
	t.Helper()
	var list []gotUpdate
	ask(t, n, "getUpdates", p).into(t, &list)
	return list
}

// texts are the texts of messages among updates.
func texts(t *testing.T, list []gotUpdate) string {
	t.Helper()
	var words []string
	for _, u := range list {
		var m message
		must(t, json.Unmarshal(u.Kinds["message"], &m))
		words = append(words, m.Text)
	}
	return strings.Join(words, " ")
}

var ann = control.User{ID: "4503599627370001", FirstName: "Ann", LastName: "Lee", Username: "ann", LanguageCode: "de"}

const annID = 4503599627370001 // more than 2^51

// does lets a customer act; without a user it is Ann.
func does(t *testing.T, n *Network, a control.Action) control.ID {
	t.Helper()
	if a.User.ID == "" {
		a.User = ann
	}
	id, err := n.Act(token, a)
	if err != nil {
		t.Fatalf("%s: %v", a.Do, err)
	}
	return id
}

func says(t *testing.T, n *Network, text string) control.ID {
	t.Helper()
	return does(t, n, control.Action{Do: "text", Text: text})
}

func chatOf(t *testing.T, n *Network, chat control.ID) control.Conversation {
	t.Helper()
	c, err := n.Chat(t.Context(), token, chat, -1)
	must(t, err)
	return c
}

// form writes parameters and files as multipart.
func form(t *testing.T, values map[string]string, files map[string][]byte) (contentType string, body *bytes.Buffer) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for name, value := range values {
		must(t, w.WriteField(name, value))
	}
	for name, data := range files {
		part, err := w.CreateFormFile(name, name+".bin")
		must(t, err)
		_, err = part.Write(data)
		must(t, err)
	}
	must(t, w.Close())
	return w.FormDataContentType(), body
}

func TestBodies(t *testing.T) {
	n := newNetwork(t)
	says(t, n, "hello")
	multi, body := form(t, map[string]string{"chat_id": fmt.Sprint(int64(annID)), "text": "é😀"}, nil)
	for name, tc := range map[string]struct {
		method, query, contentType, body string
		status                           int
	}{
		"json":                   {"POST", "", "application/json", `{"chat_id":4503599627370001,"text":"é😀","parse_mode":null}`, 200},
		"json, chat as text":     {"POST", "", "application/json; charset=utf-8", `{"chat_id":"4503599627370001","text":"\u00e9\ud83d\ude00"}`, 200},
		"urlencoded":             {"POST", "", "application/x-www-form-urlencoded", "chat_id=4503599627370001&text=%C3%A9%F0%9F%98%80", 200},
		"query":                  {"GET", "?chat_id=4503599627370001&text=%C3%A9%F0%9F%98%80", "", "", 200},
		"multipart":              {"POST", "", multi, body.String(), 200},
		"multipart, cut":         {"POST", "", multi, body.String()[:body.Len()-20], 400},
		"multipart, no boundary": {"POST", "", "multipart/form-data", body.String(), 400},
		"json, cut":              {"POST", "", "application/json", `{"chat_id":4503599627370001,"te`, 400},
		"json, a list":           {"POST", "", "application/json", `[1]`, 400},
		"urlencoded, broken":     {"POST", "", "application/x-www-form-urlencoded", "text=%zz", 400},
		"no UTF-8":               {"POST", "", "application/x-www-form-urlencoded", "chat_id=4503599627370001&text=%ff", 400},
		"bad content type":       {"POST", "", ";;", "x", 400},
		"nothing":                {"POST", "", "", "", 400},
		"too large":              {"POST", "", "application/json", `{"text":"` + strings.Repeat("x", maxValues) + `"}`, 413},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), tc.method, "/bot"+token+"/sendMessage"+tc.query, io.NopCloser(strings.NewReader(tc.body)))
			r.Header.Set("Content-Type", tc.contentType)
			got := serve(t, n, r)
			if got.Status != tc.status || got.OK != (tc.status == 200) || got.Code != tc.status && !got.OK {
				t.Fatalf("got %v", got)
			}
			if tc.status == 200 && !strings.Contains(string(got.Result), `"text":"é😀"`) {
				t.Errorf("result %s", got.Result)
			}
		})
	}
}

// TestMultipartWithoutParts: some clients announce multipart and send nothing.
func TestMultipartWithoutParts(t *testing.T) {
	n := newNetwork(t)
	for _, body := range []string{"", "--b--\r\n"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/bot"+token+"/getMe", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		if got := serve(t, n, r); !got.OK {
			t.Errorf("body %q: %v", body, got)
		}
	}
}

// TestOverTCP: chunked multipart, as streaming clients send it.
func TestChunked(t *testing.T) {
	n := newNetwork(t)
	says(t, n, "hello")
	server := httptest.NewServer(n.API())
	defer server.Close()
	contentType, body := form(t, map[string]string{"chat_id": fmt.Sprint(int64(annID))}, map[string][]byte{"document": []byte("data")})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/bot"+token+"/sendDocument", io.MultiReader(body))
	must(t, err)
	r.Header.Set("Content-Type", contentType)
	if r.ContentLength != 0 {
		t.Fatal("the request is not chunked")
	}
	answer, err := server.Client().Do(r)
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("status %d", answer.StatusCode)
	}
	files := n.Requests(control.Filter{Method: "senddocument"})[0].Files
	if len(files) != 1 || files[0].Name != "document.bin" || string(files[0].Data) != "data" {
		t.Errorf("recorded %+v", files)
	}
}

func TestPaths(t *testing.T) {
	n := newNetwork(t)
	for path, want := range map[string]string{
		"/bot" + token + "/getMe":                                 "200 ",
		"/bot" + strings.Replace(token, ":", "%3A", 1) + "/GETME": "200 ",
		"/bot123456:other/getMe":                                  "401 Unauthorized",
		"/botnonsense/getMe":                                      "404 Not Found",
		"/bot" + token:                                            "404 Not Found",
		"/" + token + "/getMe":                                    "404 Not Found",
		"/bot" + token + "/getNothing":                            "404 Not Found: method not found",
		"/bot" + token + "/?method=getMe":                         "200 ",
		"/file/bot" + token + "/documents/file_0.bin":             "404 Not Found",
		"/file/bot123456:other/documents/file_0.bin":              "401 Unauthorized",
	} {
		got := serve(t, n, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if s := fmt.Sprintf("%d %s", got.Status, got.Description); s != want {
			t.Errorf("%s: %s, want %s", path, s, want)
		}
	}
}

func TestAccounts(t *testing.T) {
	n := newNetwork(t)
	for _, bad := range []string{"", "x", ":x", "12:", "012:x", "12:a b", "12:a/b", "4503599627370496:x", strings.Repeat("1", 90) + ":x"} {
		if n.AddAccount(Account{Token: bad}) == nil {
			t.Errorf("token %q is taken", bad)
		}
	}
	must(t, n.AddAccountJSON([]byte(`{"token":"77:x"}`)))
	if list := n.Accounts().([]Account); len(list) != 2 || list[1].Username != "bot77_bot" {
		t.Errorf("accounts %+v", list)
	}
	for _, name := range []string{token, "123456", "SHOP_bot"} {
		if _, err := n.Chats(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, n.RemoveAccount("shop_bot"))
	if got := ask(t, n, "getMe", nil); got.Status != 401 {
		t.Errorf("a revoked token: %v", got)
	}
}

// TestCloseEndsPolls: nothing waits for a network that has closed.
func TestCloseEndsPolls(t *testing.T) {
	n := newNetwork(t)
	server := httptest.NewServer(n.API())
	defer server.Close()
	ended := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/bot"+token+"/getUpdates?timeout=50", nil)
		if err == nil {
			var answer *http.Response
			if answer, err = server.Client().Do(r); err == nil {
				err = fmt.Errorf("answered %s", answer.Status)
				answer.Body.Close()
			} else {
				err = nil
			}
		}
		ended <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := n.Await(ctx, control.Filter{Method: "getUpdates"})
	must(t, err)
	n.Close()
	must(t, <-ended)
}

// TestConcurrent: many customers write while the bot answers; every message
// comes once and in its chat's order.
func TestConcurrent(t *testing.T) {
	const customers, each = 8, 40
	n := newNetwork(t)
	var writing sync.WaitGroup
	for who := range customers {
		writing.Go(func() {
			u := control.User{ID: control.ID(fmt.Sprint(who + 1))}
			for i := range each {
				if _, err := n.Act(token, control.Action{Do: "text", Text: fmt.Sprint(i), User: u}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := map[int64]int{}
	offset, got := int64(0), 0
	for got < customers*each {
		for _, u := range updates(t, n, map[string]any{"offset": offset, "timeout": 50}) {
			var m message
			must(t, json.Unmarshal(u.Kinds["message"], &m))
			if m.Text != fmt.Sprint(next[m.Chat.ID]) {
				t.Fatalf("chat %d: %s instead of %d", m.Chat.ID, m.Text, next[m.Chat.ID])
			}
			next[m.Chat.ID]++
			got++
			offset = u.UpdateID + 1
			ask(t, n, "sendMessage", map[string]any{"chat_id": m.Chat.ID, "text": m.Text}).into(t, &m)
		}
	}
	writing.Wait()
}
