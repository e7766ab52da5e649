package gateway

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"servicelink/config"
	"servicelink/gateway/journal"
)

// Limits of a scrape.
const (
	scrapesAtOnce = 4
	scrapeTimeout = 10 * time.Second
)

// newPrivateHandler serves what operators and their tools need: /metrics,
// /healthz, /readyz, /api/v1/, /console/ and /debug/pprof/.
//
// With a token every path but /healthz and the bare yes or no of /readyz asks
// for it. Without one, config has made sure that the listener is on loopback;
// then the door left open is a web page in the operator's browser, so a Host
// that is a name other than localhost is refused (a page that had its name
// point here), and so is what another site's page asks for: a POST always, a
// GET too unless somebody follows a link, as each could start a profile.
func newPrivateHandler(cfg config.Private, reg prometheus.Gatherer, health healthSource,
	j journal.Journal, waiting strandedRows, parked *suspects, log *slog.Logger, redact func(journal.Row) map[string]any, more ...apiCall,
) http.Handler {
	door := &doorkeeper{token: cfg.Token, sites: http.NewCrossOriginProtection()}
	mux := http.NewServeMux()
	get := func(path string, h http.Handler) { mount(mux, http.MethodGet, path, door.guard(h)) }

	mount(mux, http.MethodGet, "/healthz", http.HandlerFunc(serveAlive))
	mount(mux, http.MethodGet, "/readyz", serveReady(health, door.trusted))
	get("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError, // one failing source must not blind the rest
		MaxRequestsInFlight: scrapesAtOnce,
		Timeout:             scrapeTimeout,
		EnableOpenMetrics:   true,
	}))
	get("/debug/pprof/{profile...}", http.HandlerFunc(servePprof))

	dead := &deadLetters{journal: j, log: log, redact: redact}
	get("/api/v1/dead", http.HandlerFunc(dead.list))
	post := func(path string, h http.Handler) { mount(mux, http.MethodPost, path, door.guard(h)) }
	post("/api/v1/dead/{seq}/requeue", actOn("requeue", log, j.Requeue))
	post("/api/v1/dead/{seq}/discard", actOn("discard", log, j.Discard))
	rows := &strandedAPI{rows: waiting, log: log, redact: redact}
	get("/api/v1/stranded", http.HandlerFunc(rows.list))
	post("/api/v1/stranded/{seq}/discard", actOn("discard stranded", log, waiting.Discard))
	post("/api/v1/stranded/discard", http.HandlerFunc(rows.discardAll))
	get("/api/v1/suspects", suspectsAPI(parked, redact))
	post("/api/v1/suspects/{seq}/requeue", actOn("requeue suspect", log, parked.tell(true)))
	post("/api/v1/suspects/{seq}/discard", actOn("discard suspect", log, parked.tell(false)))
	for _, r := range more {
		if r.method == "" {
			mux.Handle(r.path, r.handler)
			continue
		}
		mount(mux, r.method, r.path, door.guard(r.handler))
	}
	mux.HandleFunc("/{$}", toConsole)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, "not found")
	})
	return door.screen(mux)
}

// mount serves path for its methods, such as "GET, POST", and answers the others with
// 405.
func mount(mux *http.ServeMux, method, path string, h http.Handler) {
	for m := range strings.SplitSeq(method, ", ") {
		mux.Handle(m+" "+path, h)
	}
	mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", method)
		writeError(w, http.StatusMethodNotAllowed, "method not allowed")
	})
}

// servePprof serves Go's profiles by hand: the package would mount them on the
// global router. A profile may run for longer than a call may take to arrive;
// net/http would end it at that deadline.
func servePprof(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // a recorder has none
	switch r.PathValue("profile") {
	case "cmdline":
		pprof.Cmdline(w, r)
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r)
	}
}

// doorkeeper decides who may use the private listener.
type doorkeeper struct {
	token config.Secret
	sites *http.CrossOriginProtection
}

// screen refuses what only a browser led here by a foreign page would send.
func (d *doorkeeper) screen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		if d.token.IsZero() && !localHost(r.Host) {
			writeError(w, http.StatusForbidden, "host not allowed")
			return
		}
		if d.sites.Check(r) != nil || d.token.IsZero() && embedded(r.Header) {
			writeError(w, http.StatusForbidden, "cross-site request")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// embedded reports that a browser asks in the name of another site's page, and
// not to show the answer in a window of its own.
func embedded(h http.Header) bool {
	return h.Get("Sec-Fetch-Site") == "cross-site" && h.Get("Sec-Fetch-Dest") != "document"
}

// guard asks for the token.
func (d *doorkeeper) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !d.trusted(r) {
			refuseStranger(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func refuseStranger(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="servicelink"`)
	writeError(w, http.StatusUnauthorized, "unauthorized")
}

// trusted reports whether the caller brought the token, or none is needed.
func (d *doorkeeper) trusted(r *http.Request) bool {
	if d.token.IsZero() {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && d.token.Equal(token)
}

// localHost reports whether a Host header names this machine in a way no
// foreign DNS can: an IP address or localhost.
func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// errQuery is deliberately without the query's text.
var errQuery = errors.New("unknown or repeated parameter")

// readQuery reads a query that may hold only the named parameters, each once:
// a mistyped filter must not list everything.
func readQuery(r *http.Request, names ...string) (map[string]string, error) {
	return readPairs(r.URL.RawQuery, names...)
}

func readPairs(text string, names ...string) (map[string]string, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, errQuery
	}
	query := make(map[string]string, len(names))
	for name, all := range values {
		if len(all) != 1 || !slices.Contains(names, name) {
			return nil, errQuery
		}
		query[name] = all[0]
	}
	return query, nil
}

// writeJSON answers with body, which always marshals.
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller may be gone
}

// writeError answers {"error": text}; text is fixed, never made of the request.
func writeError(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]string{"error": text})
}
