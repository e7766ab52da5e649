package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"servicelink/config"
	"servicelink/connectors"
)

// maxBodyLimit is the largest Webhook.MaxBody a connector may ask for.
const maxBodyLimit = 64 << 20

// publicHandler serves the webhooks of all channels and nothing else.
type publicHandler struct {
	mux     *http.ServeMux
	callers callers
	strays  *channelMetrics
	log     *slog.Logger
	held    atomic.Int64 // bytes of large bodies in memory now
	probes  *probes      // nil = there are none
}

// hookPath is one path with a route per method.
type hookPath struct {
	public    *publicHandler
	pattern   string
	wildcards []string
	allow     string // the Allow header
	routes    []*route
}

// swapHandler answers as the handler it was given last does. Calls that are
// under way end where they began.
type swapHandler struct{ now atomic.Pointer[http.Handler] }

func (s *swapHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*s.now.Load()).ServeHTTP(w, r)
}

// mountWebhooks makes the webhooks of these channels the ones that answer.
func (g *Gateway) mountWebhooks(cfg config.Public, channels []*channel) error {
	p, err := newPublicHandler(cfg, g.hooks(channels), g.metrics.unknown, g.log)
	if err != nil {
		return config.Problems{{Path: "channels", Message: err.Error()}}
	}
	p.probes = &g.probes
	h := http.Handler(p)
	g.webhooks.now.Store(&h)
	return nil
}

// tryWebhooks tells whether they could be mounted together.
func (g *Gateway) tryWebhooks(cfg config.Public, channels []*channel) error {
	_, err := newPublicHandler(cfg, g.hooks(channels), g.metrics.unknown, g.log)
	return err
}

// newPublicHandler mounts the webhooks of all channels. strays counts calls
// that no one channel can be blamed for. The error lists every webhook that is
// incomplete or contradicts another one.
func newPublicHandler(cfg config.Public, channels []hookChannel, strays *channelMetrics, log *slog.Logger) (*publicHandler, error) {
	p := &publicHandler{mux: http.NewServeMux(), callers: newCallers(cfg), strays: strays, log: log}
	paths := make(map[string]*hookPath)
	var errs []error
	for _, c := range channels {
		for _, w := range c.Hooks {
			if err := p.collect(paths, &hook{Webhook: w, channel: &c}); err != nil {
				errs = append(errs, fmt.Errorf("channel %s: webhook %s %q: %w", c.Name, w.Method, w.Path, err))
			}
		}
	}
	p.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		p.turnAway(w, http.StatusNotFound, connectors.ReasonNoPath)
	})
	for _, pattern := range slices.Sorted(maps.Keys(paths)) {
		hp := paths[pattern]
		if err := p.mount(hp); err != nil {
			errs = append(errs, err)
		}
	}
	return p, errors.Join(errs...)
}

// collect adds a channel's webhook to its path and method.
func (p *publicHandler) collect(paths map[string]*hookPath, h *hook) error {
	if err := checkWebhook(h.Webhook); err != nil {
		return err
	}
	hp := paths[h.Path]
	if hp == nil {
		hp = &hookPath{public: p, pattern: h.Path, wildcards: wildcards(h.Path)}
		paths[h.Path] = hp
	}
	rt := hp.route(h.Method)
	if rt == nil {
		hp.routes = append(hp.routes, &route{
			public: p, path: hp, method: h.Method, maxBody: h.MaxBody, hooks: []*hook{h}, blame: h.channel.Metrics,
		})
		return nil
	}
	switch first := rt.hooks[0]; {
	case rt.hooks[len(rt.hooks)-1].channel == h.channel:
		return errors.New("named twice")
	case rt.maxBody != h.MaxBody:
		return fmt.Errorf("shares its path with channel %s, which allows %d bytes, not %d", first.channel.Name, rt.maxBody, h.MaxBody)
	}
	rt.hooks = append(rt.hooks, h)
	rt.blame = p.strays
	return nil
}

func checkWebhook(w connectors.Webhook) error {
	switch {
	case w.Method == "" || strings.ToUpper(w.Method) != w.Method:
		return errors.New("method must be an upper-case word")
	case !strings.HasPrefix(w.Path, "/") || w.Path == "/" || w.Path != path.Clean(w.Path):
		return errors.New("path must be clean, begin with a slash and not end with one")
	case strings.HasPrefix(w.Path+"/", mediaPath):
		return errors.New("paths below /media are for files")
	case w.MaxBody < 1 || w.MaxBody > maxBodyLimit:
		return fmt.Errorf("largest body must be 1 to %d bytes", maxBodyLimit)
	case w.Verify == nil || w.Parse == nil || w.Reply == nil:
		return errors.New("one of Verify, Parse and Reply is missing")
	default:
		return nil
	}
}

// wildcards lists the names in a pattern: "/hook/{token}" has "token".
func wildcards(pattern string) []string {
	var names []string
	for segment := range strings.SplitSeq(pattern, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			names = append(names, strings.TrimSuffix(strings.TrimSuffix(name, "}"), "..."))
		}
	}
	return names
}

// mount registers one path. The router panics on a pattern it cannot read or
// cannot tell from another one; that is a mistake of two connectors.
func (p *publicHandler) mount(hp *hookPath) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("webhook path %q: %v", hp.pattern, v)
		}
	}()
	methods := make([]string, len(hp.routes))
	for i, rt := range hp.routes {
		methods[i] = rt.method
	}
	slices.Sort(methods)
	hp.allow = strings.Join(methods, ", ")
	p.mux.Handle(hp.pattern, hp)
	return nil
}

func (hp *hookPath) route(method string) *route {
	for _, rt := range hp.routes {
		if rt.method == method {
			return rt
		}
	}
	return nil
}

// ServeHTTP routes a call. What the router would answer with a redirect or a
// page of its own gets 404: an unclean path may hold a token, and a redirect
// would say it again.
func (p *publicHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	escaped := r.URL.EscapedPath()
	if escaped == "" || escaped[0] != '/' || path.Clean(escaped) != escaped {
		p.turnAway(w, http.StatusNotFound, connectors.ReasonNoPath)
		return
	}
	p.mux.ServeHTTP(w, r)
}

// ServeHTTP picks the route of the method.
func (hp *hookPath) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt := hp.route(r.Method)
	if rt == nil {
		w.Header().Set("Allow", hp.allow)
		hp.public.turnAway(w, http.StatusMethodNotAllowed, connectors.ReasonBadMethod)
		return
	}
	rt.serve(w, r)
}

// turnAway answers a call that reached no webhook.
func (p *publicHandler) turnAway(w http.ResponseWriter, status int, reason connectors.RequestReason) {
	p.strays.webhookRefused(string(reason))
	h := w.Header()
	h["X-Content-Type-Options"] = headerNosniff
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(strings.ToLower(http.StatusText(status)) + "\n"))
}
