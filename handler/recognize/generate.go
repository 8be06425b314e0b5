package recognize

import (
	"context"

	"omr-relay/handler/gateway"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// Generator answers /generate. It is safe for concurrent use; its methods block
// and fail as Recognizer's do.
type Generator struct{ queue }

// NewGenerator returns a Generator. It makes no call.
func NewGenerator(cfg Config) *Generator {
	return &Generator{newQueue(cfg, omr.Generation, "generate/")}
}

// Post submits the markup of a request and waits for the form: a ZIP of its pages
// and its pattern. It changes the request's body. A request whose first Accept is
// not a ZIP's could not take the answer, and is refused before anything is paid.
func (g *Generator) Post(ctx context.Context, req *gateway.Request) (*gateway.Answer, error) {
	until := newLimits(ctx, req.Header)
	if !takesZIP(req.Header) {
		return nil, errNotZIP()
	}
	in, err := readMarkup(req)
	if err != nil {
		return nil, err
	}
	tasks := []*task{{body: in.task(req)}}
	client := g.with(req.Header)
	g.submit(ctx, client, until, tasks, noRecorder{})
	if !submitted(tasks) {
		return fail(ctx, failure(tasks))
	}
	g.wait(ctx, client, until, tasks)
	return g.conclude(ctx, tasks, until, g.path+tasks[0].id)
}

// Get asks for the form of an id that Post gave, and waits for it as Post does.
func (g *Generator) Get(ctx context.Context, req *gateway.Request, id string) (*gateway.Answer, error) {
	until := newLimits(ctx, req.Header)
	if !takesZIP(req.Header) {
		return nil, errNotZIP()
	}
	if !omr.ValidID(id) {
		return nil, errGone()
	}
	tasks := []*task{{id: id}}
	g.resume(ctx, g.with(req.Header), until, tasks)
	return g.conclude(ctx, tasks, until, id)
}

// Delete cancels a task. One that does not exist any more is cancelled, too.
func (g *Generator) Delete(ctx context.Context, req *gateway.Request, id string) (*gateway.Answer, error) {
	if !omr.ValidID(id) {
		return nil, errGone()
	}
	return g.cancel(ctx, g.with(req.Header), []*task{{id: id}})
}

func (g *Generator) conclude(ctx context.Context, tasks []*task, until limits, location string) (*gateway.Answer, error) {
	if !concluded(tasks) {
		if err := unanswered(tasks); err != nil {
			return fail(ctx, err)
		}
		return g.accepted(ctx, tasks, until, location), nil
	}
	answer, err := generated(tasks[0].result)
	if err != nil {
		return nil, err
	}
	answer.Header.Set("Content-Location", location)
	until.declare(answer.Header)
	return answer, nil
}

func errNotZIP() error {
	return &problem.Error{Code: problem.NotAcceptable,
		Detail: "The answer is a ZIP, which API Gateway hands on as bytes only to a request whose Accept begins with application/zip. Nothing was submitted."}
}
