package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// Settings are what can be changed while it runs.
type Settings struct {
	// Status is how far messages come by themselves: "sent" (the phones are off),
	// "delivered" or "read", the default.
	Status string `json:"status"`
	// StatusSeconds lie between two states; default 0.2.
	StatusSeconds float64 `json:"status_seconds"`
	// Window is "clock", the default, or always "open" or "closed".
	Window string `json:"window"`
	// EchoFirst: a send is answered after its echo was brought.
	EchoFirst bool `json:"echo_first"`
	// NoMids: a delivery tells its watermark alone, as some do.
	NoMids bool `json:"no_mids"`
	// Profile is what may be known of customers who say nothing else: "full", the
	// default, "name", "consent" or "hidden".
	Profile string `json:"profile"`
	// Extra: events have members and attachments that no documentation names.
	Extra bool `json:"extra"`
	// RequireProof refuses calls without appsecret_proof.
	RequireProof bool `json:"require_proof"`
	// PerSecond is how many messages a page may send; beyond it 613. 0 = any.
	PerSecond float64 `json:"per_second"`
	// Batch is how many events come in one post at most, 1 to 1000, the default;
	// BatchSeconds is how long they gather, by default not at all.
	Batch        int     `json:"batch"`
	BatchSeconds float64 `json:"batch_seconds"`
	// Posts is how many posts of fresh events an app gets at once, 1 to 100; with more
	// than 1, the default, they lose their order.
	Posts int `json:"posts"`
	// Compress divides the 36 hours of retries, the waits among them, and the hour
	// before a page is unsubscribed; default 1.
	Compress float64 `json:"compress"`
	// LinkSeconds is how long links to files live; default two days.
	LinkSeconds float64 `json:"link_seconds"`
	// FetchURLs: fetch attachments' URLs, from anywhere. Else the phone shows the
	// address alone.
	FetchURLs bool `json:"fetch_urls"`
}

var defaults = Settings{
	Status: stateRead, StatusSeconds: statusPause.Seconds(), Window: "clock", Profile: profileFull, Batch: 1000, Posts: 1, Compress: 1,
	LinkSeconds: linkLife.Seconds(),
}

// Set implements control.Network: members of Settings; what is absent stays.
func (s *Server) Set(raw []byte) error {
	next := s.Settings()
	if err := json.Unmarshal(raw, &next); err != nil {
		return fmt.Errorf("%w: %w", control.ErrAction, err)
	}
	return s.SetSettings(next)
}

// Settings returns the settings in force.
func (s *Server) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// SetSettings changes them all.
func (s *Server) SetSettings(next Settings) error {
	switch {
	case !slices.Contains(states, next.Status):
		return fmt.Errorf("%w: status is one of %v", control.ErrAction, states)
	case !slices.Contains([]string{"clock", "open", "closed"}, next.Window):
		return fmt.Errorf("%w: window is clock, open or closed", control.ErrAction)
	case !slices.Contains(profiles, next.Profile):
		return fmt.Errorf("%w: profile is one of %v", control.ErrAction, profiles)
	case next.StatusSeconds < 0 || next.StatusSeconds > 3600 || next.BatchSeconds < 0 || next.BatchSeconds > 3600 || next.PerSecond < 0,
		next.Batch < 1 || next.Batch > 1000 || next.Posts < 1 || next.Posts > 100,
		next.Compress < 1 || next.Compress > 1e6 || next.LinkSeconds <= 0 || next.LinkSeconds > 1e8:
		return fmt.Errorf("%w: a number is out of range", control.ErrAction)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = next
	return nil
}

// SettingsJSON tells a page the settings in force.
func (s *Server) SettingsJSON() any { return s.Settings() }

// AddAccountJSON implements control.Network.
func (s *Server) AddAccountJSON(raw []byte) error {
	var a Account
	if err := json.Unmarshal(raw, &a); err != nil {
		return fmt.Errorf("%w: %w", control.ErrAction, err)
	}
	return s.AddAccount(a)
}

// Accounts implements control.Network.
func (s *Server) Accounts() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Account{}
	for _, p := range s.pages {
		list = append(list, p.Account)
	}
	slices.SortFunc(list, func(a, b Account) int { return strings.Compare(a.Account, b.Account) })
	return list
}

// Chat implements control.Network.
func (s *Server) Chat(ctx context.Context, account string, chat control.ID, after int64) (control.Conversation, error) {
	if _, err := s.page(account); err != nil {
		return control.Conversation{}, err
	}
	return s.Board.Chat(ctx, account, chat, after)
}

// Chats implements control.Network.
func (s *Server) Chats(account string) ([]control.ChatInfo, error) {
	if _, err := s.page(account); err != nil {
		return nil, err
	}
	return s.Board.Chats(account)
}

// File implements control.Network.
func (s *Server) File(account, id string) (control.File, error) {
	if _, err := s.page(account); err != nil {
		return control.File{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.file(id); f != nil && f.page.Account.Account == account {
		return f.File, nil
	}
	return control.File{}, control.ErrUnknown
}

func (s *Server) page(account string) (*page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pages[account]; p != nil {
		return p, nil
	}
	return nil, control.ErrUnknownAccount
}

// pace is the time between two states.
func (s *Server) pace() time.Duration { return seconds(s.Settings().StatusSeconds) }

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
