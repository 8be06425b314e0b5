package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// maxBody is API Gateway's limit for a request's body.
const maxBody = 10 << 20

// startAPI serves the relay over HTTP until ctx ends, then lets the requests
// under way finish.
func startAPI(ctx context.Context, c console, host string, port int, keys apiKeys) error {
	listener, err := listen(ctx, host, port)
	if err != nil {
		return err
	}
	defer listener.Close()
	fn, err := assemble(ctx, c, pageOrigins(host, listener)...)
	if err != nil {
		return err
	}
	defer fn.close()

	door := admission{keys: keys, host: host, origin: fn.allowOrigin, tell: func(why string) { fn.tell.line(signOut, "refused", why, bad) }}
	shown, err := newPage(&door, pageOf{sample: fn.sample, bucketURL: fn.bucketURL, maxUpload: fn.maxUpload}, &gateway{door: door, respond: fn.respond, problem: fn.tell.problem})
	if err != nil {
		return err
	}
	server := newServer(shown, c.stderr)
	if len(keys) > 0 {
		fn.tell.say("callers", keys.describe())
	}
	fn.tell.say("serving", fmt.Sprintf("http://%s, with a page for scans at /, until Ctrl-C", listener.Addr()))
	return serve(ctx, server, listener)
}

func newServer(handler http.Handler, errorLog io.Writer) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          log.New(errorLog, "local: ", 0),
	}
}

// listen opens the port; one that is taken is named with the way out.
func listen(ctx context.Context, host string, port int) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d of %s is in use: choose another with --port", port, host)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the port: %w", err)
	}
	return listener, nil
}

// serve blocks until ctx has ended and every request under way is answered, or
// until the listener fails.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	// Every request under way ends by its invocation's deadline.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), invocationTime+time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}

// gateway stands where API Gateway stands: it turns each request into an
// event and each response into an answer. It admits callers, and routes nothing.
type gateway struct {
	door    admission
	respond func(ctx context.Context, event []byte, open opener) ([]byte, error)
	problem func(error)
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.door.origin != "" {
		// On the API's own refusals as well: else a page cannot tell them from a network that is down.
		w.Header().Set("Access-Control-Allow-Origin", g.door.origin)
	}
	from, ok := g.door.admit(w, r)
	if !ok {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			g.door.say("413: the body is larger than the 10 MB that API Gateway takes")
			refuse(w, http.StatusRequestEntityTooLarge, "REQUEST_TOO_LARGE", "Request Too Long")
			return
		}
		refuse(w, http.StatusBadRequest, "BAD_REQUEST_BODY", "Bad Request")
		return
	}
	event, err := newEvent(r, body, from, time.Now())
	if err != nil {
		g.fail(w, fmt.Errorf("encoding the event: %w", err))
		return
	}
	begun, until := false, time.Now().Add(invocationTime)
	// Lambda goes on when the client has gone, and so does this.
	response, err := g.respond(context.WithoutCancel(r.Context()), event, func(head events.APIGatewayProxyResponse) (io.Writer, error) {
		to, err := writeHead(w, r, head, until)
		begun = err == nil
		return to, err
	})
	if err != nil && begun {
		g.problem(err)
		panic(http.ErrAbortHandler) // the client must not take what it has for the whole
	}
	if err != nil {
		g.fail(w, err)
		return
	}
	if begun {
		return
	}
	if err := writeAnswer(w, r, response); err != nil {
		g.fail(w, err)
	}
}

// fail answers as API Gateway does when the function fails, and tells the
// cause here alone.
func (g *gateway) fail(w http.ResponseWriter, err error) {
	g.problem(err)
	refuse(w, http.StatusBadGateway, "INTEGRATION_FAILURE", "Internal server error")
}
