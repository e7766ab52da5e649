package secrets

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// registerMarks are in what the core has registered.
var registerMarks = []string{"mail password", "mail user", "broken device"}

// registerGateways has the core register mailboxes with every kind of secret, and some
// that cannot be served.
func (s *stage) registerGateways() {
	s.Helper()
	s.secrets = s.TempDir()
	if err := os.WriteFile(filepath.Join(s.secrets, "mailbox"), []byte(mark["mail secret file"]), 0o600); err != nil {
		s.Fatal(err)
	}
	s.Setenv("SECRETS_MAIL", mark["mail environment"])
	host, port, err := net.SplitHostPort(s.mailHost())
	if err != nil {
		s.Fatal(err)
	}
	mailbox := func(kind, password string) string {
		return fmt.Sprintf(`%s { "Host": %q, "Port": %s, "Security": "none", "User": %q, "Password": %q }`, kind, host, port, mark["mail user"], password)
	}
	var list simprot.GatewayList
	for i, device := range []string{
		mailbox("ImapHost", mark["mail password"]), mailbox("ImapHost", "file:mailbox"), mailbox("Pop3Host", "env:SECRETS_MAIL"),
		mailbox("ImapHost", "file:../"+mark["broken device"]), mailbox("ImapHost", "env:"+mark["broken device"]+" "),
		`ImapHost { "Host": "` + mark["broken device"] + `", "Port": "` + mark["broken device"] + `", "Password": "` + mark["mail password"] + `" }`,
		`ImapHost { "Password": "` + mark["mail password"] + `", ` + mark["broken device"], `ImapHost ` + mark["mail password"],
		`SmtpHost { "Host": "` + host + `", "From": "` + mark["broken device"] + `\\n", "User": "` + mark["mail user"] + `", "Password": "` + mark["mail password"] + `" }`,
	} {
		info := &simprot.GatewayInfo{
			Id: uuid.MustParse(fmt.Sprintf("6f9619ff-8b86-d011-b42d-%012x", i+1)), DisplayName: fmt.Sprint("Mailbox ", i+1),
			PeerAddress: peer, Device: device, Direction: simprot.DirectionIn,
		}
		if strings.HasPrefix(device, "SmtpHost") {
			info.Direction = simprot.DirectionOut
		}
		list = append(list, info)
	}
	if err := s.core.SetGateways(list); err != nil {
		s.Fatal(err)
	}
}

// mailHost is a mail server that repeats what it is told, and lets nobody in.
func (s *stage) mailHost() (address string) {
	s.Helper()
	l, err := (&net.ListenConfig{}).Listen(s.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go refuseMail(c)
		}
	}()
	s.Cleanup(func() { _ = l.Close(); <-ended })
	return l.Addr().String()
}

// refuseMail speaks as much of IMAP and POP3 as it takes to be told a password.
func refuseMail(c net.Conn) {
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprintf(c, "* OK [CAPABILITY IMAP4rev1] %s\r\n", mark["network's words"])
	for lines := bufio.NewScanner(c); lines.Scan(); {
		tag, rest, _ := strings.Cut(lines.Text(), " ")
		_, _ = fmt.Fprintf(c, "%s NO [AUTHENTICATIONFAILED] %s %s\r\n", tag, rest, mark["network's words"])
	}
}

// gatewaysFail waits until every gateway of the core's has failed in its way.
func (s *stage) gatewaysFail() {
	s.Helper()
	for i := range 9 {
		id := fmt.Sprintf("channel=6f9619ff-8b86-d011-b42d-%012x", i+1)
		s.until("gateway "+id+" fails", func() bool {
			for line := range strings.Lines(s.text("the log")) {
				if strings.Contains(line, id) && (strings.Contains(line, "cannot be served as it is registered") || strings.Contains(line, "cannot be read")) {
					return true
				}
			}
			return false
		})
	}
	s.admin("GET", "/readyz?channel=6f9619ff-8b86-d011-b42d-000000000006", mark["private token"])
	s.admin("GET", "/readyz?channel=6f9619ff-8b86-d011-b42d-000000000001", mark["private token"])
}
