package email

import (
	"crypto/tls"
	"net"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// soonExpired is when a certificate's end is worth a warning: those that renew
// themselves have done it by then.
const soonExpired = 14 * 24 * time.Hour

// certificateCheck is CheckTLS of a connection that was made; nil = none was.
func certificateCheck(w *watchdog) connectors.Check {
	check := connectors.Check{Name: connectors.CheckTLS, State: connectors.CheckUnknown, Found: "not known: no connection"}
	if w == nil {
		return check
	}
	return examineCertificate(check, w.Conn)
}

func examineCertificate(check connectors.Check, conn net.Conn) connectors.Check {
	secured, ok := conn.(*tls.Conn)
	if !ok {
		check = httpx.Failed(check.Name, connectors.FaultConfig, "mails and password go over the network as they are", `Set Security to "implicit" or "starttls".`)
		check.State = connectors.CheckWarning
		return check
	}
	chain := secured.ConnectionState().PeerCertificates
	if len(chain) == 0 {
		return check
	}
	ends := chain[0].NotAfter
	check.Found, check.State = "the certificate is valid until "+ends.UTC().Format(time.DateOnly), connectors.CheckOK
	if time.Until(ends) < soonExpired {
		check.State, check.Fault = connectors.CheckWarning, connectors.FaultBadCertificate
		check.Cure = "Who runs the mail server has to renew its certificate before that day: after it no mail is fetched."
	}
	return check
}
