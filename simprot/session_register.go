package simprot

import (
	"context"

	"github.com/google/uuid"
)

// Scenario asks for a form in a language such as "en-US"; "" = the form's own.
// Without Screens in the answer there is no such form. Errors: see Resync.
func (s *Session) Scenario(ctx context.Context, id uuid.UUID, culture string) (*ScenarioInfo, error) {
	return payload[*ScenarioInfo](s.ask(ctx, &question{
		code: CodeScenarioLoad, times: 2, about: name(id),
		payload: &CommandInfo{Id: &id, Reference: culture},
	}))
}

// Routing asks for the rules of routing, all of them. Errors: see Resync.
func (s *Session) Routing(ctx context.Context) (WebSiteRoutingList, error) {
	return payload[WebSiteRoutingList](s.ask(ctx, &question{
		code: CodeRoutingAsk, times: 2, payload: Text(s.cfg.Peer),
	}))
}

// Literals asks for a group of texts in one language, "" = in all. Errors: see
// Resync.
func (s *Session) Literals(ctx context.Context, group int16, culture string) (LiteralLookupList, error) {
	return payload[LiteralLookupList](s.ask(ctx, &question{
		code: CodeLiteralsAsk, times: 2,
		payload: &LiteralLookupInfo{LiteralGroup: group, Culture: culture},
	}))
}

// Gateways asks for the message gateways of an address: what mail and short
// messages are fetched from and sent by (SPEC.md 13). Errors: see Resync.
func (s *Session) Gateways(ctx context.Context, address string) (GatewayList, error) {
	return payload[GatewayList](s.ask(ctx, &question{
		code: CodeGatewaysAsk, times: 2, payload: Text(address),
	}))
}
