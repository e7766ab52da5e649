package gateway

import (
	"strings"
	"testing"
	"unicode"

	"servicelink/connectors"
)

// TestSeptets walks through the tables of 3GPP TS 23.038, and through everything
// else.
func TestSeptets(t *testing.T) {
	// 6.2.1, the Unicode characters in the order of their codes; 0x1B is the escape.
	alphabet := [128]rune{
		0x40, 0xA3, 0x24, 0xA5, 0xE8, 0xE9, 0xF9, 0xEC, // 0x00
		0xF2, 0xC7, 0x0A, 0xD8, 0xF8, 0x0D, 0xC5, 0xE5, // 0x08
		0x394, 0x5F, 0x3A6, 0x393, 0x39B, 0x3A9, 0x3A0, 0x3A8, // 0x10
		0x3A3, 0x398, 0x39E, 0x00, 0xC6, 0xE6, 0xDF, 0xC9, // 0x18
		0x20, 0x21, 0x22, 0x23, 0xA4, 0x25, 0x26, 0x27, // 0x20
		0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D, 0x2E, 0x2F, // 0x28
		0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, // 0x30
		0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F, // 0x38
		0xA1, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, // 0x40
		0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F, // 0x48
		0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, // 0x50
		0x58, 0x59, 0x5A, 0xC4, 0xD6, 0xD1, 0xDC, 0xA7, // 0x58
		0xBF, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, // 0x60
		0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, // 0x68
		0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, // 0x70
		0x78, 0x79, 0x7A, 0xE4, 0xF6, 0xF1, 0xFC, 0xE0, // 0x78
	}
	// 6.2.1.1: of the other codes 0x0D is reserved for a control, 0x1B for a further
	// table.
	extension := map[byte]rune{
		0x0A: 0x0C, 0x14: 0x5E, 0x28: 0x7B, 0x29: 0x7D, 0x2F: 0x5C,
		0x3C: 0x5B, 0x3D: 0x7E, 0x3E: 0x5D, 0x40: 0x7C, 0x65: 0x20AC,
	}
	want := make(map[rune]int)
	for code, r := range alphabet {
		if code != 0x1B {
			want[r] = 1
		}
	}
	for _, r := range extension {
		want[r] = 2
	}
	if len(want) != 127+10 {
		t.Fatalf("the tables have %d characters", len(want))
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if got := septets(r); got != want[r] {
			t.Errorf("septets(%q) = %d, want %d", r, got, want[r])
		}
	}
}

func TestSMSSegments(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want int
	}{
		"nothing":                        {"", 0},
		"one character":                  {"a", 1},
		"160 alone":                      {strings.Repeat("a", 160), 1},
		"161 are two":                    {strings.Repeat("a", 161), 2},
		"2 x 153":                        {strings.Repeat("a", 306), 2},
		"one more":                       {strings.Repeat("a", 307), 3},
		"80 of two places":               {strings.Repeat("€", 80), 1},
		"81 of two places":               {strings.Repeat("€", 81), 2},
		"none lies in two messages":      {strings.Repeat("€", 153), 3},
		"76 are what each message holds": {strings.Repeat("€", 152), 2},
		"a character before them helps":  {strings.Repeat("a", 152) + "€" + strings.Repeat("a", 151), 2},
		"and one more does not":          {strings.Repeat("a", 152) + "€" + strings.Repeat("a", 152), 3},
		"capital cedilla":                {strings.Repeat("Ç", 160), 1},
		"small cedilla":                  {strings.Repeat("ç", 71), 2},
		"UCS-2 alone":                    {strings.Repeat("ж", 70), 1},
		"UCS-2, 71 are two":              {strings.Repeat("ж", 71), 2},
		"UCS-2, 2 x 67":                  {strings.Repeat("ж", 134), 2},
		"UCS-2, one more":                {strings.Repeat("ж", 135), 3},
		"one turns all":                  {strings.Repeat("a", 134) + "ж", 3},
		"an extension is one in UCS-2":   {strings.Repeat("€", 69) + "ж", 1},
		"pairs alone":                    {strings.Repeat("👍", 35), 1},
		"pairs are whole":                {strings.Repeat("👍", 67), 3},
		"33 pairs fit each":              {strings.Repeat("👍", 66), 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := units(tc.text, connectors.SMSSegments); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}
