package simprot

import (
	"errors"
	"fmt"
)

// ErrFrameTooLong is the class of frames above a limit: errors.Is finds it in
// every *OversizeError. The connection lives on.
var ErrFrameTooLong = errors.New("simprot: frame above the limit")

// OversizeError tells of one frame above a limit. When reading, the frame was
// thrown away; when writing, nothing of it was written.
type OversizeError struct {
	Size int64 // bytes of the body
}

func (e *OversizeError) Error() string {
	return fmt.Sprintf("simprot: frame of %d bytes is above the limit", e.Size)
}

// Is reports that every OversizeError is an ErrFrameTooLong.
func (e *OversizeError) Is(target error) bool { return target == ErrFrameTooLong }

// FrameError means that the bytes are no frame of this protocol: where the
// next frame begins, or what the sender believes it sent, cannot be trusted.
// The connection is closed.
type FrameError struct {
	Reason string // fixed text, never content
}

func (e *FrameError) Error() string { return "simprot: broken frame: " + e.Reason }

// UnknownCodeError is a well-formed packet whose code this package does not
// know. Count it, log it once per code, skip it.
type UnknownCodeError struct {
	Code Code // at most 64 characters of it
}

func (e *UnknownCodeError) Error() string {
	return fmt.Sprintf("simprot: unknown packet %q", string(e.Code))
}

// DecodeError is a packet of a known code that cannot be understood. Count it
// and skip it: the frame's end is known, so the connection lives. It names the
// place and the kind of fault, never the content.
type DecodeError struct {
	Code   Code   // empty when the code itself is missing or no string
	Member string // path such as "Sentences.TimeSent"; empty: the payload as a whole
	Err    error
}

func (e *DecodeError) Error() string {
	if e.Member == "" {
		return fmt.Sprintf("simprot: %s: %v", e.Code, e.Err)
	}
	return fmt.Sprintf("simprot: %s: %s: %v", e.Code, e.Member, e.Err)
}

func (e *DecodeError) Unwrap() error { return e.Err }

// EncodeError is a packet that must not be written: the payload is not the
// class of the code, or a value has no place in the protocol. It is a defect
// of the caller.
type EncodeError struct {
	Code Code
	Err  error
}

func (e *EncodeError) Error() string { return fmt.Sprintf("simprot: %s: %v", e.Code, e.Err) }

func (e *EncodeError) Unwrap() error { return e.Err }

// The faults of single values. Their texts are fixed: an error never carries
// what a customer wrote.
var (
	errKind    = errors.New("value of another type")
	errRange   = errors.New("number out of range")
	errGUID    = errors.New("no GUID")
	errTime    = errors.New("no date and time of the years 1 to 9999")
	errDecimal = errors.New("no decimal number")
	errObjects = errors.New("more objects than MaxObjects")
	errJSON    = errors.New("broken JSON")
	errDepth   = errors.New("nested deeper than MaxDepth")
	errCode    = errors.New("first element is no string")
	errNilItem = errors.New("nil in a list")
	errClass   = errors.New("payload is not the class of this code")
)

// memberError carries a fault up to DecodePacket and collects on its way the
// names of the members it lies in. Only members of the payload classes get
// in, so it never holds content.
type memberError struct {
	path string
	err  error
}

func (e *memberError) Error() string { return e.path + ": " + e.err.Error() }

func (e *memberError) Unwrap() error { return e.err }

// within adds the member name in front of the path of err.
func within(name string, err error) error {
	at, ok := errors.AsType[*memberError](err)
	if !ok {
		return err
	}
	if at.path == "" {
		at.path = name
	} else {
		at.path = name + "." + at.path
	}
	return at
}

// fault is a fault of the value that is being read.
func fault(err error) error { return &memberError{err: err} }
