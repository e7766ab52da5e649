package simprot

import (
	"time"

	"github.com/google/uuid"
)

// WebSiteRoutingInfo is one rule that says which application a page of a web
// site shows. All conditions of a rule must hold; an empty one does. Direction
// SE.
type WebSiteRoutingInfo struct {
	WebSiteRoutingId     uuid.UUID
	WebApp               string     // the application
	Rank                 int32      // order in which rules are tried
	PageUrlRegex         string     // condition
	PreferredCulture     string     // condition, such as "en"
	BrowserRegex         string     // condition
	UserTokenRegex       string     // condition
	ClientIpMask         string     // condition
	TimeMode             string     // how TimeFrom and TimeTo are meant
	TimeFrom             *time.Time // condition
	TimeTo               *time.Time // condition
	TargetElementID      string     // of the page's element that is filled
	WebResponse          string
	ScenarioId           *uuid.UUID
	OutboundListId       *uuid.UUID
	WorkflowId           *uuid.UUID
	MessageId            *uuid.UUID
	LiteralCulture       string // language of the texts, such as "en-US"
	ChatTrackUrl         int32  // which pages of the visitor are told to the agent
	LogUrl               bool
	Template             string
	Block                bool   // the application is not shown
	SolicitationTimeOut  *int32 // seconds on the page before the visitor is invited
	SolicitationDuration *int32 // seconds an invitation is shown
	HonorRejectPeriod    *int32 // how long a refused invitation is not repeated
}

// WebSiteRoutingList is the payload of SE_WS_ROUTING.
type WebSiteRoutingList []*WebSiteRoutingInfo

// LiteralLookupInfo is one text of a table of texts, and the question for a
// group of them (then with LiteralGroup, Culture and Peer only).
type LiteralLookupInfo struct {
	Peer         string // ES: the gateway's address; the class in the source lacks it
	LiteralGroup int16  // ES+SE: 102 are the texts of web sites
	LiteralValue int16  // SE: the text's number in its group
	Culture      string // ES+SE: such as "en-US"; ES: empty = all languages
	LiteralText  string // SE
	DisplayName  string // SE
}

// LiteralLookupList is the payload of SE_WS_LITERALS_INFO.
type LiteralLookupList []*LiteralLookupInfo
