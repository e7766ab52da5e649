package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// maxBody bounds what the control API reads; a file comes in base64.
const maxBody = 48 << 20

// maxWait bounds a long poll of the control API.
const maxWait = time.Minute

// Handler serves the control API of one network, paths without its prefix:
//
//	GET    requests[?account=&method=&after=&wait=]   wait: seconds for the first one
//	POST   faults, GET faults, DELETE faults
//	POST   inject/{account}
//	POST   act/{account}
//	GET    chat/{account}/{chat}[?after=&wait=]
//	GET    chats/{account}
//	GET    file/{account}/{id}
//	GET    accounts, POST accounts
//	GET    settings, POST settings   GET: 404 where the network does not tell them
//
// A mistake is answered 400, what does not exist 404, both as {"error": ...}.
func Handler(n Network) http.Handler {
	h := handler{n}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /requests", h.requests)
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, n.Faults()) })
	mux.HandleFunc("POST /faults", h.addFault)
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) { n.Clear(); done(w, nil) })
	mux.HandleFunc("POST /inject/{account}", h.inject)
	mux.HandleFunc("POST /act/{account}", h.act)
	mux.HandleFunc("GET /chat/{account}/{chat}", h.chat)
	mux.HandleFunc("GET /chats/{account}", h.chats)
	mux.HandleFunc("GET /file/{account}/{id}", h.file)
	mux.HandleFunc("GET /accounts", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, n.Accounts()) })
	mux.HandleFunc("POST /accounts", h.body(n.AddAccountJSON))
	mux.HandleFunc("GET /settings", h.settings)
	mux.HandleFunc("POST /settings", h.body(n.Set))
	return mux
}

type handler struct{ n Network }

func (h handler) requests(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	f := Filter{Account: query.Get("account"), Method: query.Get("method")}
	var err error
	if f.After, err = number(query.Get("after"), 0); err != nil {
		fail(w, err)
		return
	}
	wait, err := waiting(r)
	if err != nil {
		fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	_, _ = h.n.Await(ctx, f) // none came: the list says so
	writeJSON(w, http.StatusOK, h.n.Requests(f))
}

func (h handler) addFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	if decode(w, r, &f) {
		done(w, h.n.Fault(f))
	}
}

func (h handler) inject(w http.ResponseWriter, r *http.Request) {
	h.body(func(body []byte) error { return h.n.Inject(r.PathValue("account"), body) })(w, r)
}

func (h handler) act(w http.ResponseWriter, r *http.Request) {
	var a Action
	if !decode(w, r, &a) {
		return
	}
	id, err := h.n.Act(r.PathValue("account"), a)
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]ID{"message": id})
}

func (h handler) chat(w http.ResponseWriter, r *http.Request) {
	after, err := number(r.URL.Query().Get("after"), -1)
	if err != nil {
		fail(w, err)
		return
	}
	wait, err := waiting(r)
	if err != nil {
		fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	c, err := h.n.Chat(ctx, r.PathValue("account"), ID(r.PathValue("chat")), after)
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, c)
}

func (h handler) chats(w http.ResponseWriter, r *http.Request) {
	list, err := h.n.Chats(r.PathValue("account"))
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, list)
}

// file gives a page what a conversation holds. It is no page of ours, so the
// browser must not run it.
func (h handler) file(w http.ResponseWriter, r *http.Request) {
	f, err := h.n.File(r.PathValue("account"), r.PathValue("id"))
	if err != nil {
		fail(w, err)
		return
	}
	head := w.Header()
	head.Set("Content-Type", f.Type)
	head.Set("Content-Security-Policy", "sandbox")
	head.Set("X-Content-Type-Options", "nosniff")
	if f.Name != "" {
		head.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": f.Name}))
	}
	_, _ = w.Write(f.Data)
}

// settings tells a page how its switches stand, where the network can be asked.
func (h handler) settings(w http.ResponseWriter, _ *http.Request) {
	n, tells := h.n.(interface{ SettingsJSON() any })
	if !tells {
		fail(w, fmt.Errorf("settings: %w", ErrUnknown))
		return
	}
	writeJSON(w, http.StatusOK, n.SettingsJSON())
}

// body hands a whole body to do.
func (h handler) body(do func([]byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			fail(w, fmt.Errorf("%w: the body is too large or was cut", ErrAction))
			return
		}
		done(w, do(body))
	}
}

func decode(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields() // a misspelt member would go unnoticed
	if err := d.Decode(v); err != nil {
		fail(w, fmt.Errorf("%w: %w", ErrAction, err))
		return false
	}
	return true
}

// waiting is how long a long poll may take: ?wait=seconds, by default no time.
func waiting(r *http.Request) (time.Duration, error) {
	seconds, err := number(r.URL.Query().Get("wait"), 0)
	return min(time.Duration(min(max(seconds, 0), 3600))*time.Second, maxWait), err
}

func number(s string, otherwise int64) (int64, error) {
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: not a number in the query", ErrAction)
	}
	return n, nil
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	switch {
	case errors.Is(err, ErrUnknownAccount), errors.Is(err, ErrUnknown):
		status = http.StatusNotFound
	case errors.Is(err, ErrFull):
		status = http.StatusInsufficientStorage
	}
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the reader is gone: nobody to tell
}
