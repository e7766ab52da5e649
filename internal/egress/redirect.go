package egress

import (
	"context"
	"net/http"
)

type redirectsKey struct{}

// WithRedirects notes in ctx how many redirects a request allows. Without it
// none is followed: the redirect is the answer.
func WithRedirects(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, redirectsKey{}, n)
}

// harmless are the headers that go along to another host than the one they were
// written for. Any other may be a credential, under whatever name.
var harmless = map[string]bool{"User-Agent": true, "Accept": true, "Range": true, "Accept-Encoding": true}

// checkRedirect hands a redirect back as the answer when the call allows no
// (more) of them, or when it would leave TLS.
func checkRedirect(req *http.Request, via []*http.Request) error {
	allowed, _ := req.Context().Value(redirectsKey{}).(int)
	if len(via) > allowed || via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return http.ErrUseLastResponse
	}
	// The address that redirects may hold a token.
	req.Header.Del("Referer")
	if req.URL.Host != via[0].URL.Host {
		for name := range req.Header {
			if !harmless[name] {
				req.Header.Del(name)
			}
		}
	}
	return nil
}
