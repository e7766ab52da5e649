package corecheck

import (
	"context"
	"errors"
	"fmt"
	"time"

	"servicelink/simprot"
)

const (
	// longestSilence is the KeepAlive up to which the core's ping is waited for.
	longestSilence = 30 * time.Second
	// pingSlack is how much later than KeepAlive a ping may come.
	pingSlack = 3 * time.Second
)

// login checks session control. An error means that the core lets nobody in.
func (r *run) login(ctx context.Context) error {
	l, err := r.connect(ctx, nil)
	if err != nil {
		r.book.judge("welcome", false, "%v", err)
		return err
	}
	r.welcome = l.welcome
	r.book.leave("restart-bye", "only a core that restarts can show it")
	r.book.leave("agents-clients", "a gateway cannot")
	if r.cfg.NoLogin {
		r.book.judge("welcome", true, "a connection, without a login")
		for _, rule := range []string{"credentials", "version", "login-first", "pong", "ping", "replace"} {
			r.book.put(rule, NotOffered, "no session control (O7)")
		}
	} else {
		w := l.welcome
		r.book.judge("welcome", w.Version == simprot.Version, "SP_WELCOME (Version %d, MaxFrame %d, KeepAlive %d, Fences %t, Asks %t)",
			w.Version, w.MaxFrame, w.KeepAlive, w.Fences, w.Asks)
		if w.Version != simprot.Version {
			return errors.New("another version")
		}
		r.refused(ctx, "credentials", simprot.RefusedCredentials, func(v *simprot.Login) { v.Secret += "-wrong" })
		r.refused(ctx, "version", simprot.RefusedVersion, func(v *simprot.Login) { v.Version = 1000 })
		r.loginFirst(ctx)
	}
	if !r.welcome.Fences {
		r.book.absent("fence", "Fences is not announced")
		r.book.absent("fence-back", "Fences is not announced")
	}
	if !r.welcome.Asks {
		r.book.absent("asks", "Asks is not announced")
	}
	l.close()
	return nil
}

// refused checks that a login is turned down for a reason.
func (r *run) refused(ctx context.Context, rule, reason string, change func(*simprot.Login)) {
	l, err := r.dial(ctx)
	if err != nil {
		r.book.leave(rule, err.Error())
		return
	}
	defer l.close()
	answer := l.login(ctx, change)
	came := describe(answer)
	if answer == nil {
		r.book.judge(rule, false, "%s", l.state())
		return
	}
	v, ok := answer.p.Payload.(*simprot.Refused)
	ended := ok && l.ends(ctx)
	if ok && !ended {
		came += ", and the connection stays"
	}
	r.book.judge(rule, ok && v.Reason == reason && ended, "%s", came)
}

// loginFirst asks before the login.
func (r *run) loginFirst(ctx context.Context) {
	l, err := r.dial(ctx)
	if err != nil {
		r.book.leave("login-first", err.Error())
		return
	}
	defer l.close()
	c := r.newConv()
	err = l.send(simprot.Packet{Code: simprot.CodeChatStatusAsk, Payload: &simprot.ChatStatusInfo{
		Peer: r.cfg.Peer, Port: r.cfg.Port, TrackingId: c.tracking,
	}})
	if err != nil {
		r.book.leave("login-first", err.Error())
		return
	}
	got := l.wait(ctx, func(p *received) bool { return p.code == simprot.CodeChatStatus })
	if got != nil {
		r.book.judge("login-first", false, "%s", describe(got))
		return
	}
	r.book.judge("login-first", true, "no answer; %s", l.state())
}

// pong checks the answer to a ping.
func (r *run) pong(ctx context.Context) error {
	if r.cfg.NoLogin {
		return nil
	}
	l, err := r.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	token := r.newID()
	if err := l.send(simprot.Packet{Code: simprot.CodePing, Payload: &simprot.Ping{Token: token}}); err != nil {
		return err
	}
	got := l.wait(ctx, func(p *received) bool { return p.code == simprot.CodePong })
	if got == nil {
		r.book.judge("pong", false, "%s", l.state())
		return nil
	}
	v, ok := got.p.Payload.(*simprot.Ping)
	r.book.judge("pong", ok && v.Token == token, "SP_PONG, Token %s", masked(v.Token, token))
	return nil
}

// ping says nothing until the core asks. It runs beside the other checks.
func (r *run) ping(ctx context.Context) {
	silence := time.Duration(r.welcome.KeepAlive) * time.Second
	if silence <= 0 {
		silence = 15 * time.Second // what absent means
	}
	if silence > longestSilence {
		r.book.leave("ping", fmt.Sprintf("KeepAlive is %v: too long to wait for", silence))
		return
	}
	l, err := r.connect(ctx, nil)
	if err != nil {
		r.book.leave("ping", err.Error())
		return
	}
	defer l.close()
	start := time.Now()
	got := l.waitFor(ctx, silence+pingSlack, func(p *received) bool { return p.code == simprot.CodePing })
	after := time.Since(start).Round(time.Second / 10)
	switch {
	case got == nil && ctx.Err() != nil:
		r.book.leave("ping", "out of time")
	case got == nil:
		r.book.judge("ping", false, "no SP_PING in %v; KeepAlive is %v", after, silence)
	default:
		r.book.judge("ping", true, "SP_PING after %v; KeepAlive is %v", after, silence)
	}
}

// replace logs in twice as one Instance.
func (r *run) replace(ctx context.Context) error {
	if r.cfg.NoLogin {
		return nil
	}
	first, err := r.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer first.close()
	second, err := r.connect(ctx, func(v *simprot.Login) { v.Instance = first.instance })
	if err != nil {
		return fmt.Errorf("the second connection: %w", err)
	}
	defer second.close()
	if !first.ends(ctx) {
		r.book.judge("replace", false, "both connections live")
		return nil
	}
	bye, _ := r.inbox.find(func(p *received) bool { return p.link == first && p.code == simprot.CodeBye })
	r.book.judge("replace", true, "the first connection ended, with %s", describe(bye))
	return nil
}
