package corecheck

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// gateways asks for the message gateways of an address; false when there is no
// answer, which a core may have none of.
func (l *link) gateways(ctx context.Context, address string) (simprot.GatewayList, bool, error) {
	token := l.r.newID()
	err := l.send(simprot.Packet{Code: simprot.CodeGatewaysAsk, Payload: simprot.Text(address), Extras: simprot.Extras{Ask: token}})
	if err != nil {
		return nil, false, err
	}
	var list simprot.GatewayList
	for more := true; more; {
		got := l.wait(ctx, func(p *received) bool { return p.code == simprot.CodeGateways })
		switch {
		case got == nil && l.ended.Load():
			return nil, false, fmt.Errorf("%s ended the connection", simprot.CodeGatewaysAsk)
		case got == nil:
			return nil, false, nil
		}
		if l.welcome.Asks {
			l.r.book.judge("asks", got.p.Extras.Ask == token, "%s with Ask %q", got.code, masked(got.p.Extras.Ask, token))
		}
		items, ok := got.p.Payload.(simprot.GatewayList)
		if !ok {
			return nil, false, nil // it does not decode: that rule is broken
		}
		list, more = append(list, items...), got.p.Extras.More
	}
	return list, true, nil
}

// register asks for the message gateways of the Peer, and of nobody.
func (r *run) register(ctx context.Context) error {
	l, err := r.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	list, answered, err := l.gateways(ctx, r.cfg.Messages)
	if err != nil {
		return err
	}
	if !answered {
		r.book.absent("gateways", "no "+string(simprot.CodeGateways))
		return errors.New(noMessages)
	}
	r.book.judge("gateways", true, "%s with %d gateways", simprot.CodeGateways, len(list))
	fault := faultOf(list, r.cfg.Messages)
	again, _, err := l.gateways(ctx, r.cfg.Messages)
	if err != nil {
		return err
	}
	if fault == "" && !slices.Equal(idsOf(list), idsOf(again)) {
		fault = "other Ids when it was asked again"
	}
	r.book.judge("gateways-list", fault == "", "%d gateways; %s", len(list), cmp.Or(fault, "each as it must be"))
	nobody, _, err := l.gateways(ctx, "corecheck-"+r.tag)
	if err != nil {
		return err
	}
	r.book.judge("gateways-address", len(nobody) == 0, "%d gateways", len(nobody))
	for _, g := range list {
		switch g.Direction {
		case simprot.DirectionIn:
			r.inbound = append(r.inbound, g.Id)
		case simprot.DirectionOut:
			r.outbound = append(r.outbound, g.Id)
		}
	}
	return nil
}

const noMessages = "the core has no messages"

func idsOf(list simprot.GatewayList) []string {
	var ids []string
	for _, g := range list {
		ids = append(ids, g.Id.String())
	}
	slices.Sort(ids)
	return ids
}

// faultOf says what is wrong with a list of gateways, without what is in it; ""
// when nothing is.
func faultOf(list simprot.GatewayList, address string) string {
	ids := idsOf(list)
	if len(slices.Compact(slices.Clone(ids))) != len(ids) {
		return "an Id is there twice"
	}
	for _, g := range list {
		switch {
		case g.Id == uuid.Nil:
			return "one has no Id"
		case g.Direction != simprot.DirectionIn && g.Direction != simprot.DirectionOut:
			return "one has no Direction"
		case !strings.EqualFold(g.PeerAddress, address):
			return "one has another PeerAddress"
		case !isDevice(g.Device):
			return "a Device is no name with a JSON object"
		}
	}
	return ""
}

// isDevice reports whether a Device is a type's name and, where there is more,
// one JSON object.
func isDevice(device string) bool {
	name, settings := strings.TrimSpace(device), ""
	if at := strings.IndexAny(name, " \t\r\n{"); at >= 0 {
		name, settings = name[:at], strings.TrimSpace(name[at:])
	}
	var object map[string]json.RawMessage
	return name != "" && (settings == "" || json.Unmarshal([]byte(settings), &object) == nil && object != nil)
}
