package mail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"servicelink/simprot"
)

// TestFaults: what is wrong with a mailbox is told by its name and in words; nothing
// is marked meanwhile, and nothing lost when it is put right.
func TestFaults(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	x := newHouse(t, h)
	inbox := func() int { return len(h.folder(t, support, "INBOX")) }
	right := x.gateways()
	wrong := x.gateways()
	wrong[0].Device = strings.Replace(wrong[0].Device, password, "not-"+password, 1)

	t.Log("wrong password")
	x.register(wrong...)
	x.restartGateway() // it reads the register at once
	h.deliver(t, support, customerMail("behind a wrong password", "wrong@customer.test", "", "x"))
	x.told(mailbox, "password")
	if inbox() != 1 {
		t.Error("the mail is not in its mailbox any more")
	}
	x.register(right...)
	x.restartGateway()
	x.inbound("behind a wrong password")

	t.Log("mailbox away")
	h.stop(t)
	x.told(mailbox, "cannot be re", "connect")
	h.start(t)
	h.deliver(t, support, customerMail("after it was away", "away@customer.test", "", "x"))
	x.inbound("after it was away")

	t.Log("no place for files")
	files := filepath.Join(x.dir, "journal.db.files")
	if err := os.Rename(files, files+".before"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.deliver(t, support, customerMail("while nothing can be kept", "full@customer.test", "", "x"))
	x.until("the gateway says that files cannot be kept", func() bool { return x.unwell()["files_away"] != "" })
	if inbox() != 1 {
		t.Error("the mail is not in its mailbox any more")
	}
	if err := os.Remove(files); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(files+".before", files); err != nil {
		t.Fatal(err)
	}
	x.inbound("while nothing can be kept")

	t.Log("a device that does not exist")
	x.register(append(x.gateways(), &simprot.GatewayInfo{
		Id: broken, DisplayName: "Fax", PeerAddress: "@servicelink", Direction: simprot.DirectionIn, Device: "FaxHost {}",
	})...)
	x.restartGateway()
	x.told(broken, "no such type of device")
	h.deliver(t, support, customerMail("beside a broken one", "beside@customer.test", "", "x"))
	x.inbound("beside a broken one")
	x.until("the mailbox is empty", func() bool { return inbox() == 0 })
	x.offences()
}
