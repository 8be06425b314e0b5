package handler

import (
	"context"
	"io"
	"sync"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/problem"
)

// Response is an answer on its way out. One goroutine takes it, from Whole or by
// WriteTo, and says by Done what became of it.
type Response struct {
	handler *Handler
	inv     *invocation
	ctx     context.Context //nolint:containedctx // the answer's body still arrives under it
	cancel  context.CancelFunc

	outgoing *gateway.Outgoing
	body     io.Closer // the answer's; nil if there is none
	done     sync.Once
}

// begin makes an answer ready to go, whole or as it arrives. One that cannot go
// is answered with a problem instead.
func (r *Response) begin(a *gateway.Answer, streaming bool) {
	r.body = a.Body
	if r.encode(a, streaming) != nil {
		// A problem is small, and of text alone.
		own := problemAnswer(r.inv.err, r.inv.id)
		if paid := a.Header.Get("Content-Location"); paid != "" {
			own.Header.Set("Content-Location", paid) // where what was paid for still is
		}
		r.handler.cors.mark(own.Header)
		_ = r.encode(own, streaming)
	}
}

// encode reads the answer's body as far as it must be known. It recovers from a
// panic of the body's.
func (r *Response) encode(a *gateway.Answer, streaming bool) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = problem.Panicked(cause)
		}
		if err != nil {
			r.inv.err = err
		}
	}()
	r.inv.status, r.inv.bytesOut = a.Status, 0
	counted := *a
	counted.Body = countingBody{a.Body, &r.inv.bytesOut}
	if streaming {
		r.outgoing, err = r.inv.event.Stream(&counted)
	} else {
		r.outgoing, err = r.inv.event.Whole(&counted)
	}
	return err
}

// Whole returns an answer that goes in one piece, valid until Done. ok is false
// for one that goes as it arrives, by WriteTo.
func (r *Response) Whole() (text []byte, ok bool) { return r.outgoing.Whole() }

// ContentType is the media type of the answer, by which Lambda knows a streamed
// one that begins with its status and headers.
func (r *Response) ContentType() string {
	if _, whole := r.Whole(); whole {
		return "application/json"
	}
	return "application/vnd.awslambda.http-integration-response"
}

// WriteTo implements [io.WriterTo]. It blocks as w does, and of a streamed answer
// until its last byte has come. After an error what was written is not the whole;
// its text is safe to show. It does not panic.
func (r *Response) WriteTo(w io.Writer) (n int64, err error) {
	began, sink := time.Now(), &timedWriter{w: w}
	defer func() {
		r.inv.taken = sink.took
		if cause := recover(); cause != nil {
			err = problem.Panicked(cause)
		}
		switch {
		case err == nil:
			return
		case sink.err != nil:
			err = &problem.Error{Code: problem.AnswerNotTaken, Reason: "sending the answer on", Err: sink.err}
		case r.ctx.Err() != nil && sink.took > time.Since(began)/2:
			err = &problem.Error{Code: problem.AnswerNotTaken, Reason: "it was taken too slowly", Err: err}
		}
		r.inv.err = err
	}()
	return r.outgoing.WriteTo(sink)
}

// Done ends the invocation: the body is closed, which may wait for a token
// refresh, and the log line written. err says why the answer was not taken, if
// WriteTo has not said so already. Later calls do nothing. It blocks for
// budget.RefreshJoin at most.
func (r *Response) Done(err error) {
	r.done.Do(func() {
		if r.body != nil {
			r.closeBody()
		}
		r.cancel()
		if err != nil && r.inv.err == nil {
			r.inv.err = &problem.Error{Code: problem.AnswerNotTaken, Reason: "sending the answer on", Err: err}
		}
		r.handler.logInvocation(r.ctx, r.inv)
		if r.inv.event != nil && r.inv.event.Request != nil {
			r.inv.event.Request.Release()
		}
		if r.outgoing != nil {
			r.outgoing.Release()
		}
	})
}

// closeBody closes the answer's body. The answer has gone by then: a panic has no one
// left to tell but the log line, which must still be written.
func (r *Response) closeBody() {
	defer func() {
		if cause := recover(); cause != nil && r.inv.err == nil {
			r.inv.err = problem.Panicked(cause)
		}
	}()
	_ = r.body.Close() // it is neither the upstream's time nor its failure
}

// timedWriter keeps apart what is w's fault, and w's time.
type timedWriter struct {
	w    io.Writer
	took time.Duration
	err  error
}

func (t *timedWriter) Write(p []byte) (int, error) {
	began := time.Now()
	n, err := t.w.Write(p)
	t.took += time.Since(began)
	if err != nil {
		t.err = err
	}
	return n, err
}

// countingBody counts what is read.
type countingBody struct {
	io.ReadCloser
	n *int
}

func (c countingBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	*c.n += n
	return n, err
}
