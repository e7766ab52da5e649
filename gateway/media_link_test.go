package gateway

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

func linksOf(t testing.TB, change func(*config.Config)) *links {
	t.Helper()
	cfg := &config.Config{
		Core:   config.Core{Secret: config.NewSecret("a secret of the core")},
		Public: config.Public{URL: "https://gw.example.com"},
		Media:  config.Media{TTL: 48 * time.Hour},
	}
	if change != nil {
		change(cfg)
	}
	l, err := newLinks(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var someFile = fileRef{
	Channel: "shop", ID: "AgACAgIAAxkBAAIB", URL: "https://files.example.com/f?key=url-secret",
	Type: "image/png", Name: "Übersicht 1.png", Size: 1 << 33,
}

var linkTime = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestLinks(t *testing.T) {
	l := linksOf(t, nil)
	link := l.make(someFile, linkTime)
	opaque, ok := l.own(link)
	if !ok || !strings.HasPrefix(link, "https://gw.example.com/media/") || strings.ContainsAny(opaque, "/+=%?&") {
		t.Fatalf("link %q", link)
	}
	for _, secret := range []string{someFile.Channel, someFile.ID, "url-secret"} {
		raw, _ := base64.RawURLEncoding.DecodeString(opaque)
		if strings.Contains(link+string(raw), secret) {
			t.Errorf("the link shows %q", secret)
		}
	}
	got, err := l.open(opaque, linkTime.Add(48*time.Hour-time.Second))
	want := someFile
	want.Expires = got.Expires
	if err != nil || got != want || !got.Expires.Equal(linkTime.Add(48*time.Hour)) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := l.open(opaque, linkTime.Add(48*time.Hour)); !errors.Is(err, errLinkExpired) || got.Name != someFile.Name {
		t.Errorf("expired: %+v, %v", got, err)
	}
	if same, own := l.own(link + "?download=1"); !own || same != opaque {
		t.Errorf("with a query it is %q", same)
	}
	if again := l.make(someFile, linkTime); again == link {
		t.Error("the same file has the same link: whoever sees two knows they are one file")
	}
}

// TestLinksAreRefused: one changed bit, one character less, another key.
func TestLinksAreRefused(t *testing.T) {
	l := linksOf(t, nil)
	opaque, _ := l.own(l.make(someFile, linkTime))
	foreign, _ := l.own(linksOf(t, func(c *config.Config) { c.Core.Secret = config.NewSecret("another core's") }).make(someFile, linkTime))
	for name, tc := range map[string]struct {
		opaque string
		want   error
	}{
		"foreign":         {foreign, errLinkForged},
		"empty":           {"", errLinkForm},
		"cut":             {opaque[:len(opaque)/8*4], errLinkForged},
		"cut to nothing":  {opaque[:20], errLinkForm},
		"a folder":        {opaque + "/x", errLinkForm},
		"padded":          {opaque + "=", errLinkForm},
		"far too long":    {strings.Repeat("A", maxLink+4), errLinkForm},
		"another opening": {"AAAA" + opaque, errLinkForged},
	} {
		if _, err := l.open(tc.opaque, linkTime); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	for i := range opaque {
		changed := []byte(opaque)
		if changed[i] == 'A' {
			changed[i] = 'B'
		} else {
			changed[i] = 'A'
		}
		if ref, err := l.open(string(changed), linkTime); err == nil || ref != (fileRef{}) {
			t.Fatalf("changed at %d: %+v, %v", i, ref, err)
		}
	}
}

// TestLinkKeys: all instances of one core agree, others do not.
func TestLinkKeys(t *testing.T) {
	mine := linksOf(t, nil)
	ownKey := func(c *config.Config) { c.Media.Key = config.NewSecret("0123456789abcdef") }
	none := func(c *config.Config) { c.Core.Secret = config.Secret{} }
	for name, tc := range map[string]struct {
		a, b *links
		same bool
	}{
		"another instance":         {mine, linksOf(t, nil), true},
		"another host name":        {mine, linksOf(t, func(c *config.Config) { c.Public.URL = "https://other.example.com/" }), true},
		"a key":                    {linksOf(t, ownKey), linksOf(t, ownKey), true},
		"a key and the derived":    {mine, linksOf(t, ownKey), false},
		"no secret: random":        {linksOf(t, none), linksOf(t, none), false},
		"the secret used as a key": {mine, linksOf(t, func(c *config.Config) { c.Media.Key = c.Core.Secret }), true},
	} {
		opaque, _ := tc.a.own(tc.a.make(someFile, linkTime))
		if _, err := tc.b.open(opaque, linkTime); (err == nil) != tc.same {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l := linksOf(t, func(c *config.Config) { c.Public.URL = "" }); l != nil {
		t.Error("links without public.url")
	}
	if _, own := (*links)(nil).own("https://gw.example.com/media/x"); own {
		t.Error("a link of ours although there are none")
	}
}

func TestAnnounced(t *testing.T) {
	with := &media{links: linksOf(t, nil), limit: 1000}
	without := &media{limit: 1000}
	file := connectors.File{Type: "image/png", ID: "f1", URL: "https://files.example.com/f1", Size: 1000}
	change := func(f func(*connectors.File)) *connectors.File { out := file; f(&out); return &out }
	for name, tc := range map[string]struct {
		m             *media
		f             *connectors.File
		linked, asIs  bool
		tooBig, empty bool
	}{
		"an address":                {with, &file, true, false, false, false},
		"an id":                     {with, change(func(f *connectors.File) { f.URL = "" }), true, false, false, false},
		"too big for the network":   {with, change(func(f *connectors.File) { f.TooBig = true }), false, true, true, false},
		"too big for us":            {with, change(func(f *connectors.File) { f.Size = 1001 }), false, true, true, false},
		"no public.url, an address": {without, &file, false, true, false, false},
		"no public.url, an id":      {without, change(func(f *connectors.File) { f.URL = "" }), false, false, false, true},
		"too long an address":       {with, change(func(f *connectors.File) { f.URL += strings.Repeat("x", 4000) }), false, false, false, true},
		"no engine":                 {nil, &file, false, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := *tc.f
			got := tc.m.announced("shop", tc.f, linkTime)
			if *tc.f != before {
				t.Error("the connector's file was changed")
			}
			_, linked := with.links.own(got.URL)
			if linked != tc.linked || tc.asIs && got.URL != tc.f.URL || got.TooBig != tc.tooBig || (got.URL == "") != tc.empty {
				t.Errorf("%+v", got)
			}
		})
	}
	if with.announced("shop", nil, linkTime) != nil {
		t.Error("a file out of nothing")
	}
}

// oneLink is a link to someFile. It is written out, as each worker of a fuzzing run
// would make another one.
const oneLink = "jLHSIXBll5Oqoc8E0AY28TGRuk9vf1lC0VjbdWKKB0xNirP1DCIcVwxHx5rhobbd2aVJxKVkNLq2UR1fmxOPephpTiRpbEfQWKEUdwK6JKLIeLmt2kWRL09OhXRfBd5Q6ml5gu1pJ9MtGyru2D47CGhcqVxWF3PhBET9fNVLvmExjw"

func FuzzOpenLink(f *testing.F) {
	l := linksOf(f, nil)
	f.Add(oneLink)
	f.Add(oneLink[:len(oneLink)-1])
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := l.open(text, linkTime)
		if text == oneLink {
			if err != nil || ref.ID != someFile.ID {
				t.Errorf("what was a link is none any more: %v", err)
			}
			return
		}
		if err == nil || ref != (fileRef{}) {
			t.Errorf("%q is a link to %+v, %v", text, ref, err)
		}
	})
}

// FuzzFileRef: what is sealed is ours, but a decoder has to end well with
// anything.
func FuzzFileRef(f *testing.F) {
	f.Add(someFile.encode())
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		ref, err := decodeFileRef(b)
		if err != nil {
			return
		}
		again, err := decodeFileRef(ref.encode())
		if err != nil || again != ref {
			t.Errorf("%+v became %+v, %v", ref, again, err)
		}
	})
}
