package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"servicelink/config"
)

// askTime bounds one call of the private API; the gateway's own limit is shorter.
const askTime = 30 * time.Second

// longTime is the same for calls that look through the whole journal.
const longTime = 35 * time.Minute

// askMax bounds an answer, in bytes.
const askMax = 64 << 20

// asking is what the commands that ask a running gateway have in common.
type asking struct {
	config, address, tokenFile string
	inJSON                     bool
}

func (a *asking) flags(command *cobra.Command) {
	f := command.PersistentFlags()
	f.StringVar(&a.config, "config", "", "the configuration `FILE` of the gateway: its private.listen and private.token are used")
	f.StringVar(&a.address, "address", "", "`HOST:PORT` of its private listener; before what the configuration says")
	f.StringVar(&a.tokenFile, "token-file", "", "`FILE` with its token; before what the configuration says")
	f.BoolVar(&a.inJSON, "json", false, "print the answer as JSON")
}

// target is whom to ask, and with which token.
func (a *asking) target() (address string, token config.Secret, err error) {
	if a.config == "" && a.address == "" {
		return "", token, errors.New("--config or --address is missing")
	}
	if a.config != "" {
		cfg, err := config.Load(a.config)
		// Mistakes elsewhere in a file that is being edited are not asked about.
		for _, p := range config.Flatten(err) {
			if cfg == nil || strings.HasPrefix(p.Path, "private") {
				return "", token, err
			}
		}
		address, token = cfg.Private.Listen, cfg.Private.Token
	}
	if a.address != "" {
		address = a.address
	}
	if a.tokenFile != "" {
		text, err := os.ReadFile(a.tokenFile)
		if err != nil {
			return "", token, err
		}
		token = config.NewSecret(strings.TrimSpace(string(text)))
	}
	address, err = reachable(address)
	return address, token, err
}

// call asks the gateway and reads its answer. Its refusal is the error.
func (a *asking) call(ctx context.Context, method, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return a.send(ctx, method, path, nil)
}

// post is call with a form, of something that may take long.
func (a *asking) post(ctx context.Context, path string, form url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, longTime)
	defer cancel()
	return a.send(ctx, http.MethodPost, path, form)
}

func (a *asking) send(ctx context.Context, method, path string, form url.Values) ([]byte, error) {
	address, token, err := a.target()
	if err != nil {
		return nil, &failure{exitUsage, fmt.Errorf("servicelink: %w", err)}
	}
	failed := func(format string, args ...any) error {
		return &failure{exitFailed, fmt.Errorf("servicelink: "+format, args...)}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, failed("%w", err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if !token.IsZero() {
		request.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	// No proxy of the environment, no redirect that would take the token along.
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, failed("no gateway answers at %s; is it running? (%w)", address, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, askMax))
	switch {
	case err != nil:
		return nil, failed("%w", err)
	case answer.StatusCode == http.StatusUnauthorized:
		return nil, failed("the gateway at %s asks for its token: use --config or --token-file", address)
	case answer.StatusCode != http.StatusOK:
		return nil, failed("the gateway answers %s: %s", answer.Status, refusal(body))
	}
	return body, nil
}

// refusal is the reason in an answer that is not 200.
func refusal(body []byte) string {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil || said.Error == "" {
		return "no reason given"
	}
	return shown(said.Error)
}

// show prints an answer: as it came, or by the given function once it is read
// into v.
func (a *asking) show(w io.Writer, body []byte, v any, human func(io.Writer) error) error {
	if err := json.Unmarshal(body, v); err != nil {
		return &failure{exitFailed, fmt.Errorf("servicelink: the answer is not that of a gateway: %w", err)}
	}
	if a.inJSON {
		_, err := w.Write(body)
		return failedWriting(err)
	}
	return failedWriting(human(w))
}

// shown is a text for a terminal: what would steer it is left out.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, text)
}

// orDash is for a cell that would be empty.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return shown(text)
}

// shownTime is a moment in UTC.
func shownTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05.000")
}
