package lambdaruntime

import (
	"context"
	"io"
)

// Handler answers events. An error is reported to the API in the answer's place;
// its text is shown there. event is the Handler's until the Response is done
// with, or until it has returned an error. It may be called concurrently.
type Handler func(ctx context.Context, event []byte) (Response, error)

// Response is the answer to one event. It is taken once, from Whole or by WriteTo,
// and then told what became of it.
type Response interface {
	// Whole returns an answer that goes in one piece, valid until Done. ok is
	// false for one that is streamed.
	Whole() (answer []byte, ok bool)
	// WriteTo writes a streamed answer, each Write a piece that goes at once. An
	// error breaks the stream off, so that nobody takes what was written for the
	// whole.
	WriteTo(w io.Writer) (int64, error)
	// ContentType is the answer's media type.
	ContentType() string
	// Done is called once, when the answer has gone, or with why it has not.
	Done(err error)
}
