package gateway

import (
	"context"
	"net/http"
)

// serveDoctor answers GET /api/v1/doctor with the latest diagnosis there is, and POST
// with a new one: with channel= as a form, or with nothing for all of them. One
// examination is under way at a time; a caller who hangs up ends it.
func (g *Gateway) serveDoctor(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		writeJSON(w, http.StatusOK, g.diagnosis())
		return
	}
	form, err := readForm(w, r, "channel")
	if err != nil {
		writeError(w, http.StatusBadRequest, "bad form: channel")
		return
	}
	ctx, cancel := longCall(r.Context(), w)
	defer cancel()
	d, err := g.examineAsked(ctx, form["channel"])
	g.answerLong(w, r, "doctor", err, d)
}

// examineAsked is an examination that somebody asks for.
func (g *Gateway) examineAsked(ctx context.Context, channel string) (d Diagnosis, err error) {
	if channel != "" && g.channel(channel) == nil && len(g.devices.of(channel)) == 0 {
		return d, errNoChannel
	}
	err = g.examinations.do(func() error {
		d = g.examineOnly(ctx, channel)
		return ctx.Err()
	})
	return d, err
}
