package gateway

import "time"

// ConfigRead tells the metrics that the configuration was read again, and
// whether it could be used. The caller says so for the first time, too.
func (g *Gateway) ConfigRead(ok bool) { g.metrics.configLoaded(ok, time.Now()) }
