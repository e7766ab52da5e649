//go:build second

package second

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmihailenco/msgpack/v5"

	"servicelink/simprot"
)

// sameReading fails unless both implementations make the same of a frame.
// exact also compares which member a skip names.
func sameReading(t *testing.T, p *python, what string, frame []byte, exact bool) (verdict string) {
	t.Helper()
	second, first := p.read(frame), goReads(frame)
	verdict, member := refusal(first.err)
	if second.Verdict != verdict || exact && second.Member != member {
		t.Errorf("%s: Go %s at %q (%v), Python %s at %q\n%x", what, verdict, member, first.err, second.Verdict, second.Member, frame)
		return verdict
	}
	if verdict != "taken" {
		return verdict
	}
	for encoding, again := range second.Again {
		got := goReads(unhex(t, again))
		if got.err != nil {
			t.Errorf("%s: written again in %s: %v\n%x", what, encoding, got.err, frame)
			continue
		}
		if reflect.DeepEqual(first.packet, got.packet) {
			continue
		}
		if diff := cmp.Diff(plain(t, first.packet), plain(t, got.packet)); diff != "" {
			t.Errorf("%s: written again in %s (-Go +Python):\n%s\n%x", what, encoding, diff, frame)
		}
	}
	return verdict
}

// plain is a packet as encoding/json sees it, without what may differ: how many
// U+FFFD a run of bad bytes becomes, and what is finer than JSON's 100 ns.
func plain(t *testing.T, p simprot.Packet) any {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	text = marks.ReplaceAll(text, []byte("\uFFFD"))
	return fields(t, finer.ReplaceAll(text, []byte("$1")))
}

// finer matches what a time has beyond 100 ns.
var finer = regexp.MustCompile(`(T\d\d:\d\d:\d\d\.\d{7})\d+`)

// TestMutants changes bytes of every vector at random, the same ones each time.
func TestMutants(t *testing.T) {
	p := startPython(t)
	random := rand.New(rand.NewPCG(4, 3)) //nolint:gosec // the same every time
	verdicts := map[string]int{}
	for _, v := range vectors(t) {
		for _, text := range v.frames() {
			frame := unhex(t, text)
			if strings.HasPrefix(v.Name, "duplicate-") {
				continue // the first of two may be looked at or not
			}
			if len(frame) < 6 || len(frame) > 1<<12 {
				continue
			}
			for range 12 {
				mutant := bytes.Clone(frame)
				for range 1 + random.IntN(3) {
					mutant[4+random.IntN(len(mutant)-4)] = byte(random.Uint32())
				}
				verdicts[sameReading(t, p, v.Name, mutant, false)]++
			}
		}
	}
	if verdicts["taken"] < 300 || verdicts["skip"] < 100 || verdicts["close"] < 300 {
		t.Errorf("the mutants are too much alike: %v", verdicts)
	}
}

// oddities are values in MessagePack, in hex, that a member may or may not bear.
var oddities = strings.Fields(`
	c0 c2 c3 00 01 7f ff e0 cc80 cdffff ce7fffffff ce80000000 ceffffffff cf7fffffffffffffff cf8000000000000000
	cfffffffffffffffff d0ff d180ff d280000000 d2ffffffff d3ffffffff7fffffff d38000000000000000 d300000000ffffffff
	ca00000000 ca80000000 ca40880000 ca3fc00000 ca7f800000 cb3ff0000000000000 cb41dfffffffc00000 cb41e0000000000000
	cb4340000000000000 cb7ff0000000000000 cbfff8000000000000
	a0 a161 a131 a22d31 a3312e35 a27b7d a3e282ac a1ff a2c328 a6eda0bdedb88a a16e a474727565 a46e756c6c da0001 61 d90161
	c400 c40161 c41000112233445566778899aabbccddeeff c40f00112233445566778899aabbccddee
	90 9101 91c0 9180 80 81a17801 dc000101 dd0000000101 de000001 81c001 810102 8190c0 df00000001a17890
	d600000000 d6ff00000000 d6ffffffffff d7ff0000000000000000 d7ffee6b280000000001 d7ffee6b27fc00000001
	c70cff000000003b9aca00ffffffff c70cff00000000fffffff1886e0900 c70cff00000000fffffff1886e08ff
	c70cff000000000000003afff4417f c70cff3b9ac9ff0000003afff4417f c705ff0000000000 c700ff c7040000000000 d4ff00 d40100 c1`)

// texts are tried as strings in both encodings.
var texts = []string{
	"0f8fad5b-d9cb-469f-a165-70867728950e", "{0F8FAD5B-D9CB-469F-A165-70867728950E}", "0f8fad5bd9cb469fa16570867728950e",
	"(0f8fad5b-d9cb-469f-a165-70867728950e)", "0f8fad5b-d9cb-469f-a165-70867728950e ", "{0f8fad5b-d9cb-469f-a165-70867728950e",
	"00000000-0000-0000-0000-000000000000", "0f8fad5b-d9cb-469fa-165-70867728950e", "urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e",
	"2026-11-22T07:36:41Z", "2026-11-22t07:36:41z", "2026-11-22 07:36:41", "2026-11-22T07:36:41.1Z", "2026-11-22T07:36:41.123456789+01:00",
	"2026-11-22T07:36:41.1234567891Z", "2026-11-22T07:36:41.Z", "2026-11-22T07:36Z",
	"2026-11-22T07:36:60Z", "2026-11-22T24:00:00Z", "2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2026-11-22T07:36:41+0100", "2026-11-22T07:36:41+23:59", "2026-11-22T07:36:41-00:00", "2026-11-22T07:36:41 +01:00",
	"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000001Z", "0001-06-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59-01:00", "10000-01-01T00:00:00Z", "-001-01-01T00:00:00Z", "2026-11-22",
	"12.50", "-12.50", "+1", "0", "-0", "007", "1.", ".5", ".", "1e3", "1E-3", "1e", "1e+", "1 ", " 1", "0x1", "1,5", "--1", "Infinity", "NaN",
	"٣", strings.Repeat("1", 64), strings.Repeat("1", 65), "Free", "true", "[]", "{}", "null", "\"", "\\", "\u0000", "\uFFFD\uFFFD", "\U0001F600",
}

// numbers are tried as JSON only.
var numbers = []string{
	"17", "17.0", "17.5", "1.7e1", "170e-1", "1e3", "-0", "-0.0", "0.0", "0e0", "2147483647", "2147483648", "-2147483648", "-2147483649",
	"2147483647.0", "9007199254740992.0", "9007199254740994.0", "9223372036854775807", "9223372036854775808", "1e18", "1e19", "1e400", "-1e400",
	"18446744073709551615", "1234567890.1234567890123450", strings.Repeat("9", 64), strings.Repeat("9", 65), "true", "false", "null",
	"[]", "[null]", "[{}]", "[1]", "{}", `{"x":{}}`, "1.", ".5", "01", "+1", "1e", "--1", "tru", "nul", "NaN", "-Infinity", "'a'", `"\ud83d\ude00"`, `"\ud83d"`,
	`"\ude00\ud83d"`, `"\ud83dx"`, `"\uD83D\uDE0"`, `"\u00e9"`, `"\/"`, `"a`, `"` + "\x7f" + `"`, `"` + "\t" + `"`, "1 2", "1,", "",
}

// alike is how many members that take the same of the oddities are given the
// texts and numbers, too: those beyond are of a type that was tried.
const alike = 5

// TestOddValues puts every odd value into every member of every packet.
func TestOddValues(t *testing.T) {
	p := startPython(t)
	verdicts, kinds := map[string]int{}, map[string]int{}
	for _, place := range places(t) {
		kind := ""
		for _, odd := range oddities {
			verdict := sameReading(t, p, place.String()+" = "+odd, place.msgpack(t, unhex(t, odd)), true)
			verdicts[verdict]++
			kind += verdict + " "
		}
		if kinds[kind]++; kinds[kind] > alike {
			continue
		}
		for _, text := range texts {
			quoted, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			packed, err := msgpack.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			verdicts[sameReading(t, p, place.String()+" = "+text, place.msgpack(t, packed), true)]++
			verdicts[sameReading(t, p, place.String()+" = JSON "+text, place.json(t, string(quoted)), true)]++
		}
		for _, number := range numbers {
			verdicts[sameReading(t, p, place.String()+" = JSON "+number, place.json(t, number), false)]++
		}
	}
	if verdicts["taken"] < 5000 || verdicts["skip"] < 5000 || verdicts["close"] < 50 || len(kinds) < 9 {
		t.Errorf("the values are too much alike: %v of %d kinds", verdicts, len(kinds))
	}
}
