package simprot

func (s *PortManifest) members(e *encoder) {
	e.text("Network", s.Network)
	e.integer("TextLimit", int64(s.TextLimit))
	e.text("TextUnit", s.TextUnit)
	e.truth("Files", s.Files)
	e.integer("Caption", int64(s.Caption))
	e.integer("Buttons", int64(s.Buttons))
	e.integer("ButtonTitle", int64(s.ButtonTitle))
	e.integer("ButtonPayload", int64(s.ButtonPayload))
	e.truth("Replies", s.Replies)
	e.truth("Templates", s.Templates)
	e.truth("Typing", s.Typing)
	e.truth("ReadMark", s.ReadMark)
	e.truth("Delivered", s.Delivered)
	e.integer("ReplyWindow", int64(s.ReplyWindow))
	e.integer("LateWindow", int64(s.LateWindow))
}

func (s *PortManifest) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Network":
		return d.text(&s.Network)
	case "TextLimit":
		return d.int32(&s.TextLimit)
	case "TextUnit":
		return d.text(&s.TextUnit)
	case "Files":
		return d.truth(&s.Files)
	case "Caption":
		return d.int32(&s.Caption)
	case "Buttons":
		return d.int32(&s.Buttons)
	case "ButtonTitle":
		return d.int32(&s.ButtonTitle)
	case "ButtonPayload":
		return d.int32(&s.ButtonPayload)
	case "Replies":
		return d.truth(&s.Replies)
	case "Templates":
		return d.truth(&s.Templates)
	case "Typing":
		return d.truth(&s.Typing)
	case "ReadMark":
		return d.truth(&s.ReadMark)
	case "Delivered":
		return d.truth(&s.Delivered)
	case "ReplyWindow":
		return d.int32(&s.ReplyWindow)
	case "LateWindow":
		return d.int32(&s.LateWindow)
	}
	return d.skip()
}
