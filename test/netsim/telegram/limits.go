package telegram

import (
	"math"
	"time"
)

// The documented rates (https://core.telegram.org/bots/faq, "My bot is hitting
// limits"), applied when Settings.Limits is on: 30 messages a second in all, one
// a second to a chat with bursts of three, 20 a minute to a group. Requests that
// send nothing are not counted.
const (
	botRate    = 30.0
	chatRate   = 1.0
	chatBurst  = 3.0
	groupRate  = 20.0 / 60
	groupBurst = 20.0
)

// bucket is a token bucket. Its owner guards it.
type bucket struct {
	tokens float64
	at     time.Time
}

// take takes one token, or says in how many whole seconds there will be one.
func (b *bucket) take(rate, burst float64, now time.Time) (retryAfter int) {
	if b.at.IsZero() {
		b.tokens = burst
	} else {
		b.tokens = min(burst, b.tokens+rate*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	return max(1, int(math.Ceil((1-b.tokens)/rate)))
}

// window allows most events in any span of per.
type window struct {
	most  int
	per   time.Duration
	times []time.Time
}

func (w *window) take(now time.Time) (retryAfter int) {
	for len(w.times) > 0 && now.Sub(w.times[0]) >= w.per {
		w.times = w.times[1:]
	}
	if len(w.times) < w.most {
		w.times = append(w.times, now)
		return 0
	}
	return int(w.times[0].Add(w.per).Sub(now).Seconds()) + 1
}

// limit counts messages about to be sent to a chat.
func (c *call) limit(to *chat, messages int) error {
	if !c.net.Settings().Limits {
		return nil
	}
	now := time.Now()
	rate, burst := chatRate, chatBurst
	if to.json.Type != private {
		rate, burst = groupRate, groupBurst
	}
	for range messages {
		if wait := max(c.bot.sent.take(botRate, botRate, now), to.sent.take(rate, burst, now)); wait > 0 {
			return tooMany(wait)
		}
	}
	return nil
}

// limitToken counts the tokens that begin to be used: 20 a minute.
func (n *Network) limitToken(token string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen[token] || len(n.seen) > 2*maxBots {
		return nil
	}
	if n.Settings().Limits {
		if wait := n.unseen.take(time.Now()); wait > 0 {
			return tooMany(wait)
		}
	}
	n.seen[token] = true
	return nil
}
