package connectortest

import (
	"context"
	"encoding/base64"
	"io"
	"strings"

	"servicelink/connectors"
)

// checkOpenClaim: a connector that opens customers' files itself gives out what
// was sent, whole or in part, and never half of it as if it were all.
func checkOpenClaim(p *probe) {
	if _, ok := p.connector(nowhere).(connectors.AttachmentOpener); !ok {
		return
	}
	s := p.stage()
	defer s.leave()
	content := strings.Repeat("what the customer sent ", 500)
	s.act("document", map[string]any{"file": map[string]any{
		"name": "kit.txt", "type": "text/plain", "base64": base64.StdEncoding.EncodeToString([]byte(content)),
	}})
	s.rest()
	events := s.journal.taken()
	if len(events) != 1 || events[0].File == nil {
		p.errorf("a document came as %s", describeEvents(events))
		return
	}
	file := *events[0].File
	if file.URL != "" {
		p.errorf("a connector that opens files itself gives their address away")
	}
	if got := s.open(file, ""); got != content {
		p.errorf("a file of %d bytes is opened as %d, or others", len(content), len(got))
	}
	if got := s.open(file, "bytes=5-12"); got != content && got != content[5:13] {
		p.errorf("a range of 8 bytes is opened as %d, neither the range nor all", len(got))
	}
	s.opensNothing(file, content)
}

// opensNothing: what is not there, or breaks off, is an error that says so.
func (s *stage) opensNothing(file connectors.File, content string) {
	gone := file
	gone.ID = "no-such-file"
	if _, se := s.tryOpen(gone, ""); se == nil || se.Reason != connectors.ReasonNotFound {
		s.p.errorf("Open of a file that is gone: %v, want the reason %q", se, connectors.ReasonNotFound)
	}
	for kind, want := range map[string]connectors.Reason{
		FaultUnauthorized: connectors.ReasonAuth, FaultServer: connectors.ReasonServer, FaultRate: connectors.ReasonRate,
		FaultCut: "", FaultOutage: "", FaultTruncated: "",
	} {
		if kind == FaultTruncated && file.Size == 0 {
			continue // nobody said how long the file is: half of it looks whole
		}
		s.fault(Fault{Kind: kind})
		switch got, se := s.tryOpen(file, ""); {
		case se == nil && got != content:
			s.p.errorf("fault %s: Open gives %d of %d bytes and no error", kind, len(got), len(content))
		case se == nil:
			s.p.errorf("fault %s: Open has no error", kind)
		case want != "" && se.Reason != want:
			s.p.errorf("fault %s: Open fails with the reason %q, want %q", kind, se.Reason, want)
		}
		s.sim.Clear()
		// A Runner that met the fault rests meanwhile; it is not what is looked at.
		s.rest()
	}
}

// open reads a file that is there.
func (s *stage) open(f connectors.File, byteRange string) string {
	content, se := s.tryOpen(f, byteRange)
	if se != nil {
		s.p.errorf("Open of a file that is there: %v", se)
	}
	return content
}

// tryOpen reads a file to its end.
func (s *stage) tryOpen(f connectors.File, byteRange string) (string, *connectors.SendError) {
	ctx, cancel := context.WithTimeout(context.Background(), sendPatience)
	defer cancel()
	opener, ok := s.c.(connectors.AttachmentOpener)
	if !ok {
		return "", nil
	}
	media, err := opener.Open(ctx, f, byteRange)
	if err != nil {
		return "", s.p.judge(err)
	}
	defer media.Body.Close()
	content, err := io.ReadAll(media.Body)
	if err != nil {
		return "", s.p.judge(err)
	}
	if byteRange == "" && media.ContentRange != "" {
		s.p.errorf("a file that was asked for whole comes as the range %q", media.ContentRange)
	}
	if media.ContentRange == "" && media.Size >= 0 && media.Size != int64(len(content)) {
		s.p.errorf("a file of %d bytes is announced with Size %d", len(content), media.Size)
	}
	return string(content), nil
}

// opened reads the files of events, for golden files: the content, or why there
// is none.
func (s *stage) opened(events []connectors.Event) (contents []string) {
	if _, ok := s.c.(connectors.AttachmentOpener); !ok {
		return nil
	}
	for _, ev := range events {
		if ev.File == nil {
			continue
		}
		content, se := s.tryOpen(*ev.File, "")
		if se != nil {
			content = se.Error()
			if !ev.File.TooBig {
				s.p.errorf("Open of the file %s: %v", ev.File.ID, se)
			}
		}
		contents = append(contents, content)
	}
	return contents
}
