package email

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"servicelink/connectors"
)

// kept is a mail on disk.
type kept struct {
	file   connectors.File // zero: it is not kept for anybody
	open   func() (io.ReadSeekCloser, error)
	remove func() // what was only for the reading
}

// keep streams a mail to disk: where the engine keeps files, or into a file that goes
// away where it keeps none.
func (k *intake[P]) keep(ctx context.Context, r io.Reader) (kept, error) {
	if k.files == nil {
		return keepForReading(r)
	}
	file, err := k.files.Put(ctx, "message.eml", "message/rfc822", r)
	if err != nil {
		return kept{}, fmt.Errorf("keeping a mail: %w", err)
	}
	return kept{
		file: file, remove: func() {},
		open: func() (io.ReadSeekCloser, error) { return k.files.Open(file.ID) },
	}, nil
}

func keepForReading(r io.Reader) (k kept, err error) {
	f, err := os.CreateTemp("", "servicelink-mail-*")
	if err != nil {
		return kept{}, fmt.Errorf("%w: no place for a mail: %w", connectors.ErrUnavailable, err)
	}
	name := f.Name()
	remove := func() { _ = os.Remove(name) } // it is of this system's folder for what may be lost
	_, err = io.Copy(noteWrites{f}, r)
	if err = errors.Join(err, f.Close()); err != nil {
		remove()
		return kept{}, err
	}
	open := func() (io.ReadSeekCloser, error) { return os.Open(name) } //nolint:gosec // of a name made above
	return kept{open: open, remove: remove}, nil
}

// noteWrites makes a full disk known as such, so that it is told from a reader's error.
type noteWrites struct{ w io.Writer }

func (n noteWrites) Write(b []byte) (int, error) {
	written, err := n.w.Write(b)
	if err != nil {
		err = fmt.Errorf("%w: no place for a mail: %w", connectors.ErrUnavailable, err)
	}
	return written, err
}
