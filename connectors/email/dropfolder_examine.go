package email

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// Examine implements connectors.Doctor:
//
//	network      the folder is there and can be read
//	permissions  files in it can be renamed, and moved to done and failed
//	backlog      how many files wait, and how many of them are for nobody here
//
// Nothing is written.
func (d *dropFolder) Examine(ctx context.Context, _ connectors.Examination) []connectors.Check {
	root, err := d.open()
	if err != nil {
		err = dropFailure(err)
		se := connectors.AsSendError(err)
		return []connectors.Check{
			httpx.Failed(connectors.CheckNetwork, connectors.FaultConfig, se.Err.Error(), se.Hint),
			httpx.Unasked(connectors.CheckPermissions, err), httpx.Unasked(connectors.CheckBacklog, err),
		}
	}
	defer func() { _ = root.Close() }() // it was only read
	return []connectors.Check{
		{Name: connectors.CheckNetwork, State: connectors.CheckOK, Found: "the folder is there"},
		d.examineRights(), d.examineBacklog(ctx, root),
	}
}

func (d *dropFolder) examineRights() connectors.Check {
	for _, name := range []string{".", d.s.DoneFolder, d.s.FailedFolder} {
		folder := filepath.Join(d.s.Path, name)
		if _, err := os.Lstat(folder); err != nil && name != "." {
			continue // it will be made
		}
		if unix.Access(folder, unix.R_OK|unix.W_OK|unix.X_OK) != nil {
			return httpx.Failed(connectors.CheckPermissions, connectors.FaultMissingPermission, "files in the folder cannot be renamed or moved",
				"Let the user that the gateway runs as read, write and rename in Path and the folders for what is done and failed.")
		}
	}
	return connectors.Check{Name: connectors.CheckPermissions, State: connectors.CheckOK, Found: "files can be renamed and moved"}
}

func (d *dropFolder) examineBacklog(ctx context.Context, root *os.Root) connectors.Check {
	begun, fresh, err := d.list(root)
	if err != nil {
		return httpx.Unasked(connectors.CheckBacklog, dropFailure(err))
	}
	nobodys := 0
	for _, c := range fresh {
		if known, ours := d.judge(ctx, root, c); known && !ours && time.Since(c.changed) >= orphaned {
			nobodys++
		}
	}
	if nobodys == 0 {
		return backlogCheck(len(begun) + len(fresh))
	}
	check := httpx.Failed(connectors.CheckBacklog, connectors.FaultBacklog,
		fmt.Sprintf("files that wait: %d; of these for no recipient of this gateway, and older than %s: %d", len(begun)+len(fresh), shortTime(orphaned), nobodys),
		"Add the recipients to Recipients of the gateway that is to have the mails, or take the files away.")
	check.State = connectors.CheckWarning
	return check
}
