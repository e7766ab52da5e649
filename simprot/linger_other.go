//go:build !linux

package simprot

import (
	"net"
	"time"
)

// setUserTimeout does nothing here: TCP_USER_TIMEOUT is Linux's. The writer's
// own limit (writeStall) and the pings find a dead peer too.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
