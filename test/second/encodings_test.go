package second

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"servicelink/simprot"
)

// encodings are the test suite's values with all their legal encodings, the
// longer ones than need be too.
func encodings(t *testing.T) []encoding {
	t.Helper()
	text, err := os.ReadFile("testdata/msgpack-test-suite.json")
	if err != nil {
		t.Fatal(err)
	}
	var suite map[string][]struct {
		Number           json.Number
		Bignum, String   *string
		Bool             *bool
		Timestamp        []int64
		Array, Map       json.RawMessage
		Nil, Binary, Ext json.RawMessage
		Msgpack          []string
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&suite); err != nil {
		t.Fatal(err)
	}
	var all []encoding
	for file, values := range suite {
		for _, v := range values {
			for _, spaced := range v.Msgpack {
				raw, err := hex.DecodeString(strings.ReplaceAll(spaced, "-", ""))
				if err != nil {
					t.Fatal(err)
				}
				e := encoding{name: file + " " + spaced, raw: raw, text: v.String, yes: v.Bool, isArray: v.Array != nil, isMap: v.Map != nil}
				if number := v.Number.String(); number != "" {
					e.number = &number
				}
				if v.Bignum != nil {
					e.number = v.Bignum
				}
				if v.Timestamp != nil {
					when := time.Unix(v.Timestamp[0], v.Timestamp[1]).UTC()
					e.when = &when
				}
				all = append(all, e)
			}
		}
	}
	return all
}

// encoding is one of them; what the value is stands in the one member that is
// set, in none for nil, bytes and extensions.
type encoding struct {
	name           string
	raw            []byte
	number, text   *string
	yes            *bool
	when           *time.Time
	isArray, isMap bool
}

// TestEveryEncoding gives the reader every encoding where it is to be passed
// over, and where a member of its type is expected.
func TestEveryEncoding(t *testing.T) {
	all := encodings(t)
	if len(all) != 233 {
		t.Fatalf("%d encodings", len(all))
	}
	typed := 0
	for _, e := range all {
		t.Run(e.name, func(t *testing.T) {
			ping := "\xa7SP_PING\x82\xa3New"
			passedOver(t, "an unknown member", "\x92"+ping+string(e.raw)+"\xa5Token\xa1t")
			passedOver(t, "inside an unknown member", "\x92"+ping+"\x91"+string(e.raw)+"\xa5Token\xa1t")
			passedOver(t, "an element to come", "\x94\xa7SP_PING\x81\xa5Token\xa1t\x80"+string(e.raw))
			if e.text == nil {
				passedOver(t, "a key", "\x92\xa7SP_PING\x82"+string(e.raw)+"\x01\xa5Token\xa1t")
			}
			if e.check(t) {
				typed++
			}
		})
	}
	if typed != 192 {
		t.Errorf("%d encodings had a member of their type", typed)
	}
}

func framedBody(body string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// readBody decodes a frame with this body.
func readBody(body string) (simprot.Packet, error) {
	got, err := simprot.NewFrameReader(bytes.NewReader(framedBody(body)), 0).Next()
	if err != nil {
		return simprot.Packet{}, err
	}
	return simprot.DecodePacket(got)
}

func passedOver(t *testing.T, as, body string) {
	t.Helper()
	p, err := readBody(body)
	if ping, ok := p.Payload.(*simprot.Ping); err != nil || !ok || ping.Token != "t" {
		t.Errorf("as %s: %v, %v", as, p, err)
	}
}

// check reads the encoding as the member that has its type; false when no
// class has one.
func (e encoding) check(t *testing.T) bool {
	t.Helper()
	switch {
	case e.number != nil:
		e.checkNumber(t)
	case e.text != nil:
		p, err := readBody("\x92\xa7SP_PING\x81\xa5Token" + string(e.raw))
		if ping, ok := p.Payload.(*simprot.Ping); err != nil || !ok || ping.Token != *e.text {
			t.Errorf("%+v, %v; want %q", p.Payload, err, *e.text)
		}
	case e.yes != nil:
		p, err := readBody("\x92\xaaSP_WELCOME\x81\xa6Fences" + string(e.raw))
		if welcome, ok := p.Payload.(*simprot.Welcome); err != nil || !ok || welcome.Fences != *e.yes {
			t.Errorf("%+v, %v; want %t", p.Payload, err, *e.yes)
		}
	case e.when != nil:
		e.checkTime(t)
	case e.isMap: // as a payload, whose members are all unknown
		if p, err := readBody("\x92\xa7SP_PING" + string(e.raw)); err != nil || *p.Payload.(*simprot.Ping) != (simprot.Ping{}) {
			t.Errorf("%+v, %v", p.Payload, err)
		}
	default:
		return false
	}
	return true
}

// checkNumber expects the number in a member of 64 bits when it is whole and
// fits, else that it is refused.
func (e encoding) checkNumber(t *testing.T) {
	t.Helper()
	want, ok := new(big.Rat).SetString(*e.number)
	if !ok {
		t.Fatalf("%q is no number", *e.number)
	}
	p, err := readBody("\x92\xa8SP_LOGIN\x81\xa8MaxFrame" + string(e.raw))
	isFloat := e.raw[0] == 0xca || e.raw[0] == 0xcb
	if fits := want.IsInt() && want.Num().IsInt64(); !fits || isFloat && want.Num().BitLen() > 53 {
		if verdict, member := refusal(err); verdict != "skip" || member != "MaxFrame" {
			t.Errorf("%v at %q, %v; want it refused", p.Payload, member, err)
		}
		return
	}
	if login, ok := p.Payload.(*simprot.Login); err != nil || !ok || login.MaxFrame != want.Num().Int64() {
		t.Errorf("%+v, %v; want %s", p.Payload, err, *e.number)
	}
}

// checkTime expects a time within the years 1 to 9999, else that it is refused.
func (e encoding) checkTime(t *testing.T) {
	t.Helper()
	p, err := readBody("\x92\xb0ES_CHAT_SENTENCE\x81\xa8TimeSent" + string(e.raw))
	if year := e.when.Year(); year < 1 || year > 9999 {
		if verdict, member := refusal(err); verdict != "skip" || member != "TimeSent" {
			t.Errorf("%v at %q, %v; want it refused", p.Payload, member, err)
		}
		return
	}
	if sentence, ok := p.Payload.(*simprot.ChatSentenceInfo); err != nil || !ok || !sentence.TimeSent.Equal(*e.when) {
		t.Errorf("%+v, %v; want %v", p.Payload, err, e.when)
	}
}
