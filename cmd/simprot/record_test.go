package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// TestRecordingHoldsNoDevice: a register has the passwords of mail hosts in it,
// whether it can be read or not.
func TestRecordingHoldsNoDevice(t *testing.T) {
	gateway, at := uuid.New(), time.Date(2026, 11, 22, 7, 36, 41, 0, time.UTC)
	register := simprot.Packet{Code: simprot.CodeGateways, Payload: simprot.GatewayList{{
		Id: gateway, Device: `ImapHost {"Password":"` + secret + `"}`, Direction: simprot.DirectionIn,
	}}, Extras: simprot.Extras{Ask: "k-1"}}
	raw, err := simprot.AppendFrame(nil, register, simprot.EncodingJSON)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "seen.pcapng")
	to, err := newRecorder(name)
	if err != nil {
		t.Fatal(err)
	}
	rec := to.connection(&link{}, at)
	rec.piece(toGateway, piece{at: at, size: int64(len(raw)), raw: raw, packet: register})
	rec.piece(toGateway, piece{at: at, size: int64(len(raw)), raw: raw, err: errors.New("not decoded")})
	rec.end(at)
	if err := to.close(); err != nil {
		t.Fatal(err)
	}
	recorded, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(recorded, []byte(secret)) {
		t.Error("the recording holds a password")
	}
	if out := dumpFine(t, recorded, "--full"); !bytes.Contains([]byte(out), []byte(gateway.String())) {
		t.Errorf("the register is not in it:\n%s", out)
	}
}
