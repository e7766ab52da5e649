package second

import (
	"errors"

	"servicelink/simprot"
)

// refusal names what this project's reader made of a frame, as the vectors do,
// and the member it did not like.
func refusal(err error) (verdict, member string) {
	var unknown *simprot.UnknownCodeError
	var decode *simprot.DecodeError
	switch {
	case err == nil:
		return "taken", ""
	case errors.As(err, &decode):
		return "skip", decode.Member
	case errors.As(err, &unknown):
		return "skip", ""
	}
	return "close", ""
}
