package simprot

func (s *Login) members(e *encoder) {
	e.text("Account", s.Account)
	e.text("Secret", s.Secret)
	e.text("Peer", s.Peer)
	e.text("Instance", s.Instance)
	e.integer("Version", int64(s.Version))
	e.text("Encoding", s.Encoding)
	e.integer("MaxFrame", s.MaxFrame)
}

func (s *Login) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Account":
		return d.text(&s.Account)
	case "Secret":
		return d.text(&s.Secret)
	case "Peer":
		return d.text(&s.Peer)
	case "Instance":
		return d.text(&s.Instance)
	case "Version":
		return d.int32(&s.Version)
	case "Encoding":
		return d.text(&s.Encoding)
	case "MaxFrame":
		return d.int64(&s.MaxFrame)
	}
	return d.skip()
}

func (s *Welcome) members(e *encoder) {
	e.text("Server", s.Server)
	e.integer("Version", int64(s.Version))
	e.integer("MaxFrame", s.MaxFrame)
	e.integer("KeepAlive", int64(s.KeepAlive))
	e.truth("Fences", s.Fences)
	e.truth("Asks", s.Asks)
}

func (s *Welcome) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Server":
		return d.text(&s.Server)
	case "Version":
		return d.int32(&s.Version)
	case "MaxFrame":
		return d.int64(&s.MaxFrame)
	case "KeepAlive":
		return d.int32(&s.KeepAlive)
	case "Fences":
		return d.truth(&s.Fences)
	case "Asks":
		return d.truth(&s.Asks)
	}
	return d.skip()
}

func (s *Refused) members(e *encoder) {
	e.text("Reason", s.Reason)
}

func (s *Refused) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Reason":
		return d.text(&s.Reason)
	}
	return d.skip()
}

func (s *Ping) members(e *encoder) {
	e.text("Token", s.Token)
}

func (s *Ping) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Token":
		return d.text(&s.Token)
	}
	return d.skip()
}

func (s *Bye) members(e *encoder) {
	e.text("Reason", s.Reason)
	e.integer("RetryAfterMs", s.RetryAfterMs)
}

func (s *Bye) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Reason":
		return d.text(&s.Reason)
	case "RetryAfterMs":
		return d.int64(&s.RetryAfterMs)
	}
	return d.skip()
}

func (s *Extras) members(e *encoder) {
	e.text("Ask", s.Ask)
	e.truth("More", s.More)
	e.text("traceparent", s.TraceParent)
}

func (s *Extras) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Ask":
		return d.text(&s.Ask)
	case "More":
		return d.truth(&s.More)
	case "traceparent":
		return d.text(&s.TraceParent)
	}
	return d.skip()
}
