package main

import (
	"errors"
	"strings"
	"testing"
)

const passing = `{"Action":"start","Package":"p/a"}
{"Action":"run","Package":"p/a","Test":"TestOne"}
{"Action":"output","Package":"p/a","Test":"TestOne","Output":"=== RUN   TestOne\n"}
{"Action":"output","Package":"p/a","Test":"TestOne","Output":"    chatter\n"}
{"Action":"pass","Package":"p/a","Test":"TestOne/sub"}
{"Action":"pass","Package":"p/a","Test":"TestOne"}
{"Action":"skip","Package":"p/a","Test":"TestTwo"}
{"Action":"output","Package":"p/a","Output":"PASS\n"}
{"Action":"output","Package":"p/a","Output":"ok  \tp/a\t0.01s\n"}
{"Action":"pass","Package":"p/a"}
{"Action":"output","Package":"p/none","Output":"?   \tp/none\t[no test files]\n"}
{"Action":"skip","Package":"p/none"}
`

const failing = `go: some warning
{"ImportPath":"p/b","Action":"build-output","Output":"b.go:1: broken\n"}
{"Action":"output","Package":"p/a","Test":"TestOne","Output":"    good: chatter\n"}
{"Action":"pass","Package":"p/a","Test":"TestOne"}
{"Action":"output","Package":"p/a","Test":"TestTwo","Output":"=== RUN   TestTwo\n"}
{"Action":"output","Package":"p/a","Test":"TestTwo","Output":"    a_test.go:9: wrong\n"}
{"Action":"fail","Package":"p/a","Test":"TestTwo"}
{"Action":"output","Package":"p/a","Output":"FAIL\tp/a\t0.02s\n"}
{"Action":"fail","Package":"p/a"}
`

func TestReport(t *testing.T) {
	tests := map[string]struct {
		events, promised string
		want             string
		fails            bool
	}{
		"passes": {
			events:   passing,
			promised: "test p/a TestOne",
			want: "ok  \tp/a\t0.01s\n?   \tp/none\t[no test files]\nskipped: p/a TestTwo\n" +
				"suite test: 1 packages, 1 tests passed, 0 failed, 1 skipped; 1 of 1 promised passed\n",
		},
		"a skipped promise is broken": {
			events:   passing,
			promised: "test p/a TestTwo",
			want: "ok  \tp/a\t0.01s\n?   \tp/none\t[no test files]\nskipped: p/a TestTwo\n" +
				"promised: p/a TestTwo: skip\n" +
				"suite test: 1 packages, 1 tests passed, 0 failed, 1 skipped; 0 of 1 promised passed\n",
			fails: true,
		},
		"a promise that is not there is broken": {
			events:   passing,
			promised: "test p/gone TestOne\nbrowser p/a TestElsewhere",
			want: "ok  \tp/a\t0.01s\n?   \tp/none\t[no test files]\nskipped: p/a TestTwo\n" +
				"promised: p/gone TestOne: did not run\n" +
				"suite test: 1 packages, 1 tests passed, 0 failed, 1 skipped; 0 of 1 promised passed\n",
			fails: true,
		},
		"a failure shows what failed and no more": {
			events: failing,
			want: "go: some warning\nb.go:1: broken\n    a_test.go:9: wrong\nFAIL\tp/a\t0.02s\n" +
				"suite test: 1 packages, 1 tests passed, 1 failed, 0 skipped; 0 of 0 promised passed\n",
			fails: true,
		},
		"nothing ran": {
			want:  "suite test: 0 packages, 0 tests passed, 0 failed, 0 skipped; 0 of 0 promised passed\n",
			fails: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			promised, err := parsePromises(tt.promised)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			err = r.close("test", promised.of("test"))
			if got := errors.Is(err, errFailed); got != tt.fails {
				t.Errorf("failed = %v, want %v", got, tt.fails)
			}
			if out.String() != tt.want {
				t.Errorf("printed:\n%s\nwant:\n%s", out.String(), tt.want)
			}
		})
	}
}

func TestParsePromises(t *testing.T) {
	for name, text := range map[string]string{
		"too short":     "test p/a",
		"too long":      "test p/a TestOne TestTwo",
		"unknown suite": "tests p/a TestOne",
	} {
		if _, err := parsePromises(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := parsePromises(promisedText); err != nil {
		t.Error(err)
	}
}

func TestOnlyTimeUp(t *testing.T) {
	const up = "fuzz: elapsed: 3s, execs: 89084 (29693/sec)\n--- FAIL: FuzzParse (4.72s)\n    context deadline exceeded\nFAIL\nexit status 1\nFAIL\tp/a\t4.7s\n"
	for said, want := range map[string]bool{
		up: true,
		strings.Replace(up, "    context", "    Failing input written to testdata/x\n    context", 1): false,
		strings.Replace(up, "context deadline exceeded", "a_test.go:9: wrong", 1):                     false,
		"panic: context deadline exceeded\n":                                                          false,
		"":                                                                                            false,
	} {
		if got := onlyTimeUp(said); got != want {
			t.Errorf("onlyTimeUp(%q) = %v, want %v", said, got, want)
		}
	}
}
