package connectors

import (
	"context"
	"net/http"
	"time"
)

// Doctor looks at how a channel is set up at its network, as an operator would who
// searches for a fault.
type Doctor interface {
	// Examine asks the network and changes nothing: nothing is set, sent to a
	// customer or confirmed. It returns a Check for everything it looks at, what is
	// well too, always in the same order and each Name at most once; what could not
	// be asked is CheckUnknown. It obeys ctx.
	Examine(ctx context.Context, e Examination) []Check
}

// Examination is what a Doctor is told.
type Examination struct {
	// Running: a gateway serves the channel now, perhaps another process. What would
	// disturb it - a second reader of the account - is not asked.
	Running bool
}

// Check is what was found of one thing.
type Check struct {
	Name  CheckName  `json:"check"`
	State CheckState `json:"state"`
	Fault FaultName  `json:"fault,omitempty"` // with CheckWarning and CheckFailed
	Found string     `json:"found"`           // one line for the operator; holds no secret, address or content
	Cure  string     `json:"cure,omitempty"`  // what to do, one sentence; with every Fault
	Code  string     `json:"code,omitempty"`  // the network's
	// Ends is when the credentials end, for CheckToken; zero = never, or not told.
	Ends time.Time `json:"ends,omitzero"`
	// Mendable: Registrar.Register puts it right and takes nothing from anybody, so
	// that the gateway does it by itself.
	Mendable bool `json:"mendable,omitempty"`
}

// CheckState is how a thing is.
type CheckState string

// The states.
const (
	CheckOK      CheckState = "ok"
	CheckUnknown CheckState = "unknown" // could not be asked; Found says why
	CheckWarning CheckState = "warning" // works, and will not for long, or not in every case
	CheckFailed  CheckState = "failed"
)

// CheckName is what is looked at: a closed list that is also the metric's label.
type CheckName string

// What connectors look at.
const (
	CheckNetwork      CheckName = "network"      // it can be reached: DNS, TCP, TLS
	CheckCredentials  CheckName = "credentials"  // it takes our credentials
	CheckToken        CheckName = "token"        // how long the credentials last: Check.Ends
	CheckPermissions  CheckName = "permissions"  // what they allow
	CheckSignature    CheckName = "signature"    // the secret that proves its calls is the one it has
	CheckWebhook      CheckName = "webhook"      // it calls this gateway
	CheckSubscription CheckName = "subscription" // it calls for everything that is needed
	CheckReader       CheckName = "reader"       // nobody else reads the account
	CheckBacklog      CheckName = "backlog"      // what waits at the network
	CheckSender       CheckName = "sender"       // the account may send
	CheckErrors       CheckName = "errors"       // the last failure the network remembers
	CheckClock        CheckName = "clock"        // its clock and ours agree
)

// What the engine looks at.
const (
	CheckConfig    CheckName = "configuration"
	CheckPublicURL CheckName = "public_url" // the networks' way to this gateway
	CheckTLS       CheckName = "tls"        // the certificate there
	CheckRoundTrip CheckName = "round_trip" // a call signed as by the network comes in that way (Prober)
	CheckCore      CheckName = "core"       // link and login
	CheckFence     CheckName = "fence"      // what an earlier connection left is shut out at the core
	CheckPort      CheckName = "port"       // the channel's Port is its alone
	CheckJournal   CheckName = "journal"    // it can be written
	CheckFiles     CheckName = "files"      // the folder of messages' files can be written
	CheckTraffic   CheckName = "traffic"    // the channel is as busy as usual
	CheckRunning   CheckName = "running"    // what a running gateway says is not well
)

// Checks lists every CheckName, for metrics and tests.
var Checks = []CheckName{
	CheckNetwork, CheckCredentials, CheckToken, CheckPermissions, CheckSignature, CheckWebhook, CheckSubscription,
	CheckReader, CheckBacklog, CheckSender, CheckErrors, CheckClock,
	CheckConfig, CheckPublicURL, CheckTLS, CheckRoundTrip, CheckCore, CheckFence, CheckPort, CheckJournal,
	CheckFiles, CheckTraffic, CheckRunning,
}

// FaultName is what is wrong: a closed list, stable, for scripts and runbooks.
type FaultName string

// The faults.
const (
	FaultWrongToken        FaultName = "wrong_token"
	FaultExpiredToken      FaultName = "expired_token" // or expires soon, as a warning
	FaultMissingPermission FaultName = "missing_permission"
	FaultUnsubscribed      FaultName = "unsubscribed" // a page, or a field of it
	FaultWrongWebhook      FaultName = "wrong_webhook_url"
	FaultForeignWebhook    FaultName = "foreign_webhook" // the network calls another system
	FaultSecondReader      FaultName = "second_poller"
	FaultPausedSender      FaultName = "paused_sender"
	FaultClockSkew         FaultName = "clock_skew"
	FaultUnreachable       FaultName = "unreachable_public_url"
	FaultWrongSecret       FaultName = "wrong_signing_secret"
	FaultBadCertificate    FaultName = "bad_certificate"
	FaultNetworkAway       FaultName = "network_unreachable"
	FaultNetworkAnswer     FaultName = "network_answer" // it fails, or what answers is not the network
	FaultBacklog           FaultName = "backlog"        // messages wait at the network
	FaultDeliveryErrors    FaultName = "delivery_errors"
	FaultConfig            FaultName = "bad_configuration"
	FaultCoreAway          FaultName = "core_unreachable"
	FaultCoreRefuses       FaultName = "core_refuses_login"
	FaultNoFence           FaultName = "core_without_fence"
	FaultPortTaken         FaultName = "port_used_twice"
	FaultJournalReadOnly   FaultName = "journal_read_only"
	FaultJournalFull       FaultName = "journal_full"
	FaultJournal           FaultName = "journal_unreadable"
	FaultFilesFull         FaultName = "files_full"
	FaultFilesAway         FaultName = "files_away"
	FaultSilent            FaultName = "unusual_silence"
	FaultUnwell            FaultName = "unwell" // what the running gateway says; Found names it
)

// Faults lists every FaultName, for metrics, tests and documentation.
var Faults = []FaultName{
	FaultWrongToken, FaultExpiredToken, FaultMissingPermission, FaultUnsubscribed, FaultWrongWebhook,
	FaultForeignWebhook, FaultSecondReader, FaultPausedSender, FaultClockSkew, FaultUnreachable, FaultWrongSecret,
	FaultBadCertificate, FaultNetworkAway, FaultNetworkAnswer, FaultBacklog, FaultDeliveryErrors, FaultConfig,
	FaultCoreAway, FaultCoreRefuses, FaultNoFence, FaultPortTaken, FaultJournalReadOnly, FaultJournalFull,
	FaultJournal, FaultFilesFull, FaultFilesAway, FaultSilent, FaultUnwell,
}

// Prober makes a call like the network's, signed as the network would, that
// brings nothing. Sent to the public URL it shows that the network's calls get
// through whatever stands in between.
type Prober interface {
	// Probe needs Dependencies.PublicURL. The connector's own Verify and Parse take
	// the request and find no event in it. The caller sends it, and adds nothing.
	Probe() (*http.Request, error)
}
