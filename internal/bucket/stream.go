package bucket

import (
	"context"
	"errors"
	"io"
	"time"

	"omr-relay/internal/budget"
)

// maxResumes is how often a stream that broke off is taken up again: what goes
// upstream is half sent by then, and would be lost.
const maxResumes = 4

// Open returns the upload's bytes, once the first of them are at hand. Where S3
// breaks off, or falls silent for [budget.BucketSilence], it is asked for the rest.
func (u *Upload) Open() (io.ReadCloser, error) {
	s := &stream{upload: u}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// stream reads an upload. One goroutine at a time uses it.
type stream struct {
	upload  *Upload
	off     int64
	resumed int
	body    io.ReadCloser // nil where it is to be opened
	cancel  context.CancelFunc
	silence *time.Timer // ends body's context
}

func (s *stream) open() error {
	ctx, cancel := context.WithCancel(s.upload.ctx)
	body, err := s.upload.from(ctx, s.off, 0)
	if err != nil {
		cancel()
		return err
	}
	s.body, s.cancel = body, cancel
	s.silence = time.AfterFunc(time.Hour, cancel)
	s.silence.Stop()
	return nil
}

// Read implements [io.Reader].
func (s *stream) Read(p []byte) (int, error) {
	if s.off == s.upload.Size {
		return 0, io.EOF
	}
	for {
		if s.body == nil {
			if err := s.open(); err != nil {
				return 0, err
			}
		}
		s.silence.Reset(budget.BucketSilence)
		n, err := s.body.Read(p[:min(int64(len(p)), s.upload.Size-s.off)])
		s.silence.Stop()
		s.off += int64(n)
		switch {
		case n > 0:
			return n, nil // an error comes again
		case err == nil:
			continue
		case errors.Is(err, io.EOF):
			err = io.ErrUnexpectedEOF // of what If-Match promised
		}
		_ = s.Close()
		if s.resumed++; s.resumed > maxResumes || s.upload.ctx.Err() != nil {
			return 0, readFault(err)
		}
	}
}

// Close implements [io.Closer].
func (s *stream) Close() error {
	if s.body == nil {
		return nil
	}
	s.silence.Stop()
	s.cancel()
	err := s.body.Close()
	s.body = nil
	return err
}
