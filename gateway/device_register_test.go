package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot"
)

const (
	anIMAP = `ImapHost { "Host": "one" }`
	anSMTP = `SmtpHost { "Host": "one" }`
)

// TestRegisterIsTakenOver: the answer is applied as a difference, and only what
// changed is restarted.
func TestRegisterIsTakenOver(t *testing.T) {
	inRegister(t, func(r *registerHouse) {
		r.registers(in(1, anIMAP), in(2, anIMAP), out(3, anSMTP))
	}, func(r *registerHouse) {
		chat := r.gw.channel(testChannel)
		r.wantServed("1:ImapHost", "2:ImapHost", "3:SmtpHost")
		r.wantBuilt(1, 1, true)

		changed := in(2, `ImapHost { "Host": "two" }`)
		same := in(1, "ImapHost\n{\n  \"Host\" : \"one\" }")
		r.registers(changed, same, in(4, anIMAP), out(3, anSMTP))
		r.waits(5 * time.Minute)
		r.wantServed("1:ImapHost", "2:ImapHost", "3:SmtpHost", "4:ImapHost")
		r.wantBuilt(1, 1, true)
		r.wantBuilt(2, 2, true)
		if d := r.devices.of(2); d[1].settings.Host != "two" {
			t.Errorf("gateway 2 runs with %q", d[1].settings.Host)
		}
		if len(r.devices.of(3)) != 1 || r.devices.of(3)[0].closed.Load() != 0 {
			t.Error("gateway 3 was touched")
		}

		// An answer without any stops them all.
		r.registers()
		r.waits(5 * time.Minute)
		r.wantServed()
		r.wantBuilt(1, 1, false)
		r.wantBuilt(2, 2, false)
		if r.gw.channel(testChannel) != chat || chat.retired.Load() {
			t.Error("the channel that chats was touched")
		}
		if got := r.asked[0]; got != testPeer {
			t.Errorf("asked for the gateways of %q", got)
		}
	})
}

// TestRegisterAsked: on every connection, by the clock, and when somebody wants it.
func TestRegisterAsked(t *testing.T) {
	inRegister(t, func(r *registerHouse) { r.registers(in(1, anIMAP)) }, func(r *registerHouse) {
		want := func(n int, why string) {
			t.Helper()
			if got := r.questions(); got != n {
				t.Errorf("%s: asked %d times, not %d", why, got, n)
			}
		}
		want(1, "at the start")
		r.waits(4 * time.Minute)
		want(1, "before the time")
		r.waits(2 * time.Minute)
		want(2, "after the time")

		r.waits(time.Minute)
		r.gw.devices.refresh()
		r.waits(time.Second)
		want(3, "when it is wanted")
		for range 100 {
			r.gw.devices.refresh()
		}
		r.waits(time.Second)
		want(3, "when it was asked a moment ago")
		r.waits(registerPause)
		want(4, "when it is wanted by many")

		// The core is lost: what runs goes on, and on the next connection it is asked.
		r.door.away.Store(true)
		r.door.breakAll()
		r.waits(time.Hour)
		r.wantBuilt(1, 1, true)
		want(4, "while the core is away")
		r.registers(in(1, anIMAP), in(2, anIMAP))
		r.door.away.Store(false)
		r.waits(time.Minute)
		want(5, "on the next connection")
		r.wantBuilt(1, 1, true)
		r.wantBuilt(2, 1, true)
	})
}

// TestRegisterSilent: a core without a register costs nothing; one that stops
// answering stops nothing.
func TestRegisterSilent(t *testing.T) {
	inRegister(t, func(r *registerHouse) { r.answers(false) }, func(r *registerHouse) {
		r.waits(30 * time.Minute)
		if s := r.status(); s.Register.State != registerSilent || len(s.Faults) > 0 || len(s.Channels) != 1 {
			t.Errorf("the status is %+v, faults %+v", s.Register, s.Faults)
		}
		// Two times in 20 s each, and then only by the clock.
		if n := r.questions(); n > 2*7 {
			t.Errorf("a core without a register was asked %d times in half an hour", n)
		}
		if r.logged("WARN") > 0 {
			t.Error("it is warned about")
		}

		r.answers(true)
		r.registers(in(1, anIMAP))
		r.waits(5 * time.Minute)
		r.wantBuilt(1, 1, true)
		r.answers(false)
		r.waits(30 * time.Minute)
		r.wantBuilt(1, 1, true)
		if s := r.status(); s.Register.State != registerSilent || s.Register.At.IsZero() || !hasFault(s.Faults, "", faultRegister) {
			t.Errorf("the status is %+v, faults %+v", s.Register, s.Faults)
		}
		if r.logged("does not answer for its message gateways") != 1 {
			t.Error("that the core does not answer any more is not logged once")
		}
		r.answers(true)
		r.waits(5 * time.Minute)
		if s := r.status(); s.Register.State != registerAnswered || len(s.Faults) > 0 {
			t.Errorf("the status is %+v, faults %+v", s.Register, s.Faults)
		}
	})
}

func (h *house) status() Status {
	h.Helper()
	s, err := h.gw.Status(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	return s
}

func hasFault(faults []Fault, channel, what string) bool {
	return slices.ContainsFunc(faults, func(f Fault) bool { return f.Channel == channel && f.What == what })
}

// TestRegisterOff: a core that is said to have none is not asked; a reload turns it
// on and off.
func TestRegisterOff(t *testing.T) {
	inRegister(t, func(r *registerHouse) {
		r.cfg.Messages.Register = false
		r.registers(in(1, anIMAP))
	}, func(r *registerHouse) {
		r.waits(time.Hour)
		if r.questions() != 0 || r.status().Register.State != registerOff {
			t.Error("the core was asked")
		}
		r.reload(func(c *config.Config) { c.Messages.Register = true })
		r.waits(time.Minute)
		r.wantBuilt(1, 1, true)
		r.reload(func(c *config.Config) { c.Messages.Register = false })
		r.wantBuilt(1, 1, false)
		r.wantServed()

		// What the core said before is not believed any more.
		r.answers(false)
		r.reload(func(c *config.Config) { c.Messages.Register = true })
		r.waits(10 * time.Minute)
		r.wantServed()
		if s := r.status().Register; s.State != registerSilent || !s.At.IsZero() {
			t.Errorf("the register is %+v", s)
		}
	})
}

// TestRegisterBroken: what cannot be served is reported in words, and the others run.
func TestRegisterBroken(t *testing.T) {
	noID, odd := in(0, anIMAP), in(9, anIMAP)
	noID.Id, noID.DisplayName = [16]byte{}, "Nobody\nknows"
	odd.Direction = "X"
	many := []*simprot.GatewayInfo{
		in(1, anIMAP), noID, odd,
		in(2, `ImapHost { "Host": "hidden", }`), in(3, `ImapHost { "Host": "h", "Hots": "hidden" }`), in(4, `Fax {}`),
		in(5, `ImapHost { "Host": "h", "Password": "file:missing" }`), in(6, `Panic {}`), in(7, anIMAP), in(7, anIMAP),
		in(8, anSMTP), out(10, anIMAP), in(11, `Deaf`), in(12, `Sms { "Host": "a" }`), in(13, `Sms { "Host": "a" }`), in(14, anIMAP),
	}
	reasons := map[int]string{
		9: "Direction must be I", 2: "JSON: there is a mistake", 3: "did you mean Host?", 4: "no such type of device; there are: ImapHost, SmtpHost",
		5: "names a file, and the gateway may read none", 6: "the device has a bug and cannot be built", 7: "several gateways with this Id",
		8: "SmtpHost only sends", 10: "ImapHost only receives", 11: "it has not one way in", 13: "takes the same messages as " + gatewayID(12).String(),
	}
	inRegister(t, func(r *registerHouse) { r.registers(many...) }, func(r *registerHouse) {
		r.wantServed("12:Sms", "14:ImapHost", "1:ImapHost")
		if status := <-r.callWebhook("hook/a"); status != 200 {
			t.Errorf("the webhook of a gateway answers %d", status)
		}
		s := r.status()
		if s.Register.Gateways != 3 || s.Register.Broken != 13 {
			t.Errorf("the register is %+v", s.Register)
		}
		for n, want := range reasons {
			id := gatewayID(n).String()
			faults, known := r.gw.ChannelFault(id)
			if !known || !hasFault(faults, id, faultBroken) || !strings.Contains(faults[0].Hint, want) || faults[0].Gateway != fmt.Sprint("Mailbox ", n) {
				t.Errorf("gateway %d: %v, not %q", n, faults, want)
			}
			if !hasFault(s.Faults, id, faultBroken) || s.channel(id) == nil || s.channel(id).State != stateBroken {
				t.Errorf("gateway %d is not in the status", n)
			}
			if r.logged("cannot be served as it is registered", id) == 0 {
				t.Errorf("gateway %d is not logged", n)
			}
		}
		if !hasFault(s.Faults, "", faultBroken) {
			t.Error("those without an Id are not told of")
		}
		if strings.Contains(r.logs.String(), "hidden") {
			t.Error("a value of the settings is logged")
		}
		if faults := r.gw.Ready(); len(faults) > 0 {
			t.Errorf("not ready: %v", faults)
		}

		// Nothing new is said about them again and again, and who is put right runs.
		lines := r.logged("cannot be served")
		many[3] = in(2, anIMAP)
		r.registers(many...)
		r.waits(5 * time.Minute)
		r.wantBuilt(2, 1, true)
		r.wantBuilt(1, 1, true)
		if n := r.logged("cannot be served"); n != lines {
			t.Errorf("%d lines for what was known", n-lines)
		}
		if _, known := r.gw.ChannelFault(gatewayID(2).String()); !known {
			t.Error("a gateway that runs is not known")
		}
		if err := r.gw.takeRegister(r.Context(), simprot.GatewayList{nil, in(1, anIMAP)}); err != nil {
			t.Error(err)
		}
		r.wantServed("1:ImapHost")
		if s := r.status(); s.Register.Broken != 1 {
			t.Errorf("an empty entry: %+v", s.Register)
		}
	})
}

// TestRegisterBrokenLater: a gateway that runs goes on when the core says something
// of it that cannot be used.
func TestRegisterBrokenLater(t *testing.T) {
	inRegister(t, func(r *registerHouse) { r.registers(in(1, anIMAP), in(2, anIMAP)) }, func(r *registerHouse) {
		id := gatewayID(1).String()
		for _, bad := range [][]*simprot.GatewayInfo{{in(1, `ImapHost {`), in(2, anIMAP)}, {in(1, anIMAP), in(1, anIMAP), in(2, anIMAP)}} {
			r.registers(bad...)
			r.waits(5 * time.Minute)
			r.wantBuilt(1, 1, true)
			r.wantBuilt(2, 1, true)
			if faults, _ := r.gw.ChannelFault(id); !hasFault(faults, id, faultBroken) || !strings.Contains(faults[0].Hint, "it runs as it was registered before") {
				t.Errorf("it is told as %v", faults)
			}
			// A reload in between keeps it, too.
			r.reload(func(c *config.Config) { c.Texts.Closed = map[string]string{"en": "closed"} })
			r.wantBuilt(1, 1, true)
		}
		r.registers(in(2, anIMAP))
		r.waits(5 * time.Minute)
		r.wantBuilt(1, 1, false)
		if faults, known := r.gw.ChannelFault(id); known || len(faults) > 0 {
			t.Error("it is still told of")
		}
	})
}

func filedGateway(n int, device string) config.MessageGateway {
	settings, err := config.ParseSettings("Host: file")
	if err != nil {
		panic(err)
	}
	direction := config.DirectionIn
	if device == "SmtpHost" {
		direction = config.DirectionOut
	}
	return config.MessageGateway{ID: gatewayID(n).String(), Name: "From the file", Direction: direction, Device: device, Enabled: true, Settings: settings}
}

// TestRegisterAndFile: the core's word counts for a gateway that both have; the
// file's comes back when the core has it no more. A reload changes nothing of the
// core's, and an answer nothing of the file's.
func TestRegisterAndFile(t *testing.T) {
	inRegister(t, func(r *registerHouse) {
		r.cfg.Messages.Gateways = []config.MessageGateway{filedGateway(1, "ImapHost"), filedGateway(2, "ImapHost")}
		r.registers(in(2, `ImapHost { "Host": "core" }`), in(3, anIMAP))
	}, func(r *registerHouse) {
		twice := gatewayID(2).String()
		r.wantServed("1:ImapHost", "2:ImapHost", "3:ImapHost")
		r.wantBuilt(1, 1, true)
		r.wantBuilt(2, 2, true) // at the start there was only the file
		if d := r.devices.of(2)[1]; d.settings.Host != "core" || !d.cfg.Gateway.Registered {
			t.Errorf("it runs with %q", d.settings.Host)
		}
		if r.logged("stands in the file and in the core's register", twice) != 1 || !hasFault(r.status().Faults, twice, faultTwice) {
			t.Error("that both have it is not told")
		}

		r.reload(func(c *config.Config) {
			c.Messages.Gateways = append(slices.Clone(c.Messages.Gateways), filedGateway(4, "SmtpHost"))
			c.Channels[0].Culture = "de"
		})
		r.wantServed("1:ImapHost", "2:ImapHost", "3:ImapHost", "4:SmtpHost")
		r.wantBuilt(1, 1, true)
		r.wantBuilt(3, 1, true)
		if d := r.devices.of(2); !d[1].running.Load() || d[1].closed.Load() != 0 || d[2].closed.Load() != 1 || d[2].runs.Load() != 0 {
			t.Error("the reload touched what the core has registered, or left a device open")
		}

		r.waits(10 * time.Minute)
		if n := len(r.devices.of(2)); n != 3 {
			t.Errorf("built %d times for nothing", n-3)
		}
		r.registers(in(3, `ImapHost { "Host": "other" }`))
		r.waits(5 * time.Minute)
		r.wantBuilt(1, 1, true)
		r.wantBuilt(3, 2, true)
		if all := r.devices.of(2); all[len(all)-1].settings.Host != "file" || !all[len(all)-1].running.Load() {
			t.Error("the file's gateway did not come back")
		}
		if hasFault(r.status().Faults, twice, faultTwice) {
			t.Error("it is still told that both have it")
		}

		// What is wrong in the file is a mistake in the file, and changes nothing.
		err := r.tryReload(func(c *config.Config) {
			c.Messages.Gateways = []config.MessageGateway{filedGateway(1, "Fax")}
		})
		if err == nil || !strings.Contains(err.Error(), "no such type of device") {
			t.Errorf("a gateway of no type in the file: %v", err)
		}
		r.wantBuilt(1, 1, true)
	})
}

// TestRegisterTakesMailboxOver: one that goes on although what the core says of it is
// broken does not go on beside another that has its messages now.
func TestRegisterTakesMailboxOver(t *testing.T) {
	inRegister(t, func(r *registerHouse) { r.registers(in(1, `Sms { "Host": "a" }`)) }, func(r *registerHouse) {
		r.registers(in(2, `Sms { "Host": "a" }`), in(1, `Sms {`))
		r.waits(5 * time.Minute)
		r.wantServed("2:Sms")
		if d := r.devices.of(1); d[0].closed.Load() != 1 {
			t.Error("the old one goes on")
		}
		r.registers(in(1, `Sms { "Host": "a" }`), in(2, `Sms { "Host": "b" }`)) // it moves back
		r.waits(5 * time.Minute)
		r.wantServed("1:Sms", "2:Sms")
	})
}

// TestRegisterSecrets: secrets are found by reference below the folder alone, and one
// that changes restarts its gateway.
func TestRegisterSecrets(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "mailbox"), "first")
	write(outside, "outside")
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	with := func(n int, secret string) *simprot.GatewayInfo {
		return in(n, `ImapHost { "Host": "h", "Password": "`+secret+`" }`)
	}
	inRegister(t, func(r *registerHouse) {
		r.cfg.Messages.SecretsDir = dir
		r.registers(with(1, "file:mailbox"), with(2, "file:../"+filepath.Base(filepath.Dir(outside))+"/outside"), with(3, "file:"+outside), with(4, "file:link"), with(5, "plain"))
	}, func(r *registerHouse) {
		r.wantServed("1:ImapHost", "5:ImapHost")
		if got := r.devices.of(1)[0].settings.Password.Reveal(); got != "first" {
			t.Errorf("the secret is %q", got)
		}
		write(filepath.Join(dir, "mailbox"), "second")
		r.waits(5 * time.Minute)
		r.wantBuilt(1, 2, true)
		r.wantBuilt(5, 1, true)
		if got := r.devices.of(1)[1].settings.Password.Reveal(); got != "second" {
			t.Errorf("the secret is %q", got)
		}
		if logs := r.logs.String(); strings.Contains(logs, "second") || strings.Contains(logs, "plain") || strings.Contains(logs, outside) {
			t.Error("the log tells of secrets")
		}
	})
}

// TestRegisterStop: a gateway that stops while an answer is taken over ends in order.
func TestRegisterStop(t *testing.T) {
	inRegister(t, func(r *registerHouse) { r.registers(in(1, anIMAP)) }, func(r *registerHouse) {
		hang := make(chan struct{})
		r.devices.mu.Lock()
		r.devices.hang = hang
		r.devices.mu.Unlock()
		r.registers(in(1, `ImapHost { "Host": "two" }`), in(2, anIMAP))
		r.waits(5 * time.Minute) // the old one does not end
		if n := len(r.devices.of(1)); n != 2 {
			t.Fatalf("built %d times", n)
		}
		r.stopGW()
		r.waits(time.Second)
		close(hang)
		if err := <-r.stopped; err != nil {
			t.Errorf("stop: %v", err)
		}
		r.gw = nil
		for n := range 2 {
			for i, d := range r.devices.of(n + 1) {
				if d.running.Load() || d.closed.Load() != 1 {
					t.Errorf("gateway %d, built %d: runs %v, closed %d", n+1, i+1, d.running.Load(), d.closed.Load())
				}
			}
		}
	})
}

// TestGatewayHasNoPort: a message gateway claims no Port, is paused and resumed, and
// examined by its own Doctor.
func TestGatewayHasNoPort(t *testing.T) {
	inRegister(t, func(r *registerHouse) { r.registers(in(1, anIMAP), out(2, anSMTP)) }, func(r *registerHouse) {
		now := r.gw.now()
		if len(now.ports) != 1 || now.ports[""] != nil || now.served != 3 {
			t.Errorf("%d Ports, %d served", len(now.ports), now.served)
		}
		r.waits(2 * time.Minute)
		if len(r.ports) != 1 || !r.ports[testChannel] {
			t.Errorf("RESYNC was asked for the Ports %v", r.ports)
		}
		id := gatewayID(1).String()
		if err := r.gw.pause(r.Context(), id, true); err != nil {
			t.Fatal(err)
		}
		if ch := r.gw.channel(id); ch.state() != stateHeld || r.devices.of(1)[0].running.Load() {
			t.Errorf("paused it is %s", ch.state())
		}
		// It stays so when it is registered anew.
		r.registers(in(1, `ImapHost { "Host": "two" }`), out(2, anSMTP))
		r.waits(5 * time.Minute)
		if ch := r.gw.channel(id); ch.state() != stateHeld || r.devices.of(1)[1].running.Load() {
			t.Errorf("paused and changed it is %s", ch.state())
		}
		if err := r.gw.pause(r.Context(), id, false); err != nil {
			t.Fatal(err)
		}
		r.waits(time.Second)
		r.wantBuilt(1, 2, true)

		found := find(r.gw.lookAt(r.Context(), r.gw.channel(id)), connectors.CheckCredentials)
		if found.State != connectors.CheckOK || find(r.gw.lookAt(r.Context(), r.gw.channel(id)), connectors.CheckPort).Name != "" {
			t.Errorf("the examination found %+v", found)
		}
		s := r.status()
		if c := s.channel(id); c.State != stateOK || c.Gateway == nil || c.Gateway.Name != "Mailbox 1" || c.Gateway.Device != "ImapHost" || c.Gateway.Direction != "in" {
			t.Errorf("the status is %+v", c)
		}
		page := r.scrape()
		for _, want := range []string{
			`servicelink_gateway_info{channel="` + id + `",device="ImapHost",direction="in",name="Mailbox 1",network="email"} 1`,
			`servicelink_register_gateways{state="served"} 2`, `servicelink_register_gateways{state="broken"} 0`,
			`servicelink_channel_state{channel="` + id + `",network="email",state="ok"} 1`,
		} {
			if !strings.Contains(page, want) {
				t.Errorf("the metrics lack %s", want)
			}
		}
	})
}
