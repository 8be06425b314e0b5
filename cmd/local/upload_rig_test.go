package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/app"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/config"
	"omr-relay/internal/journal"
	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
	"omr-relay/internal/sandbox"
)

// uploadRig is a relay with a bucket, whole but for sockets, and the uploader that
// calls it: in a synctest bubble, where waiting costs nothing. It counts.
type uploadRig struct {
	*sandbox.Sandbox
	uploader *uploader
	client   *omr.Client
	journal  string

	// relay and storage, if not nil, may answer, or break the connection, in the other
	// end's place. n is the number of the request to this path.
	relay, storage func(n int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error)

	mu   sync.Mutex // guards what follows
	seen map[string]int
	keys []string // Idempotency-Keys, in order
	paid map[string]int
	told []string // why it waited
}

const rigLimit = 1 << 20

func newUploadRig(t *testing.T) *uploadRig {
	t.Helper()
	r := &uploadRig{Sandbox: sandbox.New(), seen: map[string]int{}, paid: map[string]int{}, journal: filepath.Join(t.TempDir(), "j")}
	r.Aspose.SetNotReady(0)
	r.Aspose.Respond(r.count)
	base := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	bucket := r.S3Config()
	bucket.BaseEndpoint = new("http://127.0.0.1:2")
	ends := map[app.Hop]http.Handler{app.HopSecret: r.Secrets, app.HopToken: r.Upstream(), app.HopUpstream: r.Upstream(), app.HopBucket: r.S3}
	relay := app.New(config.Config{
		SecretID: sandbox.DefaultSecretID, BaseURL: base, TokenURL: base.JoinPath(sandbox.TokenPath), Bucket: sandbox.DefaultBucket, MaxUpload: rigLimit,
	}, app.Options{AWS: r.AWSConfig(), Bucket: &bucket, Wrap: func(hop app.Hop, _ http.RoundTripper) http.RoundTripper {
		return connected(sandbox.InProcess(ends[hop]).RoundTrip)
	}})
	fn := &function{handler: relay, tell: newNarrator(io.Discard, false)}
	inProcess := sandbox.InProcess(&gateway{door: admission{keys: apiKeys{firstKey}}, respond: fn.respond, problem: func(err error) { t.Error(err) }})
	served := roundTrip(func(req *http.Request) (*http.Response, error) {
		// What the caller's context holds stays with the caller.
		ctx, cancel := context.WithCancel(t.Context())
		defer context.AfterFunc(req.Context(), cancel)()
		return inProcess.RoundTrip(req.Clone(ctx))
	})
	keyed := roundTrip(func(req *http.Request) (*http.Response, error) {
		req.Header.Set("Authorization", "Bearer "+firstKey)
		if key := req.Header.Get("Idempotency-Key"); key != "" {
			r.mu.Lock()
			r.keys = append(r.keys, key)
			r.mu.Unlock()
		}
		return r.pass(req, served, r.relay)
	})
	storage := roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.Header.Get("Authorization") != "" {
			t.Error("the key was sent to S3")
		}
		return r.pass(req, sandbox.InProcess(r.S3), r.storage)
	})
	address := &url.URL{Scheme: "http", Host: "relay.test"}
	r.uploader = &uploader{relay: connected(keyed), storage: storage, base: address}
	r.client = &omr.Client{Transport: connected(keyed), BaseURL: address}
	return r
}

// connected tells the caller that there was a connection, as net/http does.
type connected func(*http.Request) (*http.Response, error)

func (f connected) RoundTrip(r *http.Request) (*http.Response, error) {
	callrecord.From(r.Context()).Sent = true
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	return f(r)
}

func (r *uploadRig) pass(req *http.Request, to http.RoundTripper, hook func(int, *http.Request, func() (*http.Response, error)) (*http.Response, error)) (*http.Response, error) {
	r.mu.Lock()
	r.seen[req.URL.Path]++
	n := r.seen[req.URL.Path]
	r.mu.Unlock()
	serve := func() (*http.Response, error) { return to.RoundTrip(req) }
	if hook == nil {
		return serve()
	}
	return hook(n, req, serve)
}

func (r *uploadRig) count(_ http.ResponseWriter, req *http.Request) bool {
	var task struct{ Images [][]byte }
	_ = json.NewDecoder(req.Body).Decode(&task) // a poll has none
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, image := range task.Images {
		r.paid[string(image)]++
	}
	return false
}

// payments is how many documents were paid for, and how often at most.
func (r *uploadRig) payments() (documents, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.paid {
		most = max(most, n)
	}
	return len(r.paid), most
}

// recognize recognizes one scan by way of the bucket.
func (r *uploadRig) recognize(ctx context.Context, t *testing.T, scan omr.Document) (recognition.Outcome, error) {
	t.Helper()
	kept, err := journal.Open(r.journal)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	}()
	outcomes, err := recognition.Run(ctx, recognition.Config{
		Client: r.client, Journal: kept, Pattern: omr.Bytes(sandbox.SamplePattern()), Format: omr.CSV, Jobs: 1,
		Prepare: func(ctx context.Context, sheet recognition.Sheet) (recognition.Submission, error) {
			id, err := r.uploader.upload(ctx, sheet.Document, func(int) {})
			if err != nil {
				return nil, err
			}
			return func(ctx context.Context) (string, error) {
				return r.uploader.submit(ctx, id, uploadOptions{pattern: sandbox.SamplePattern(), format: omr.CSV})
			}, nil
		},
		Waiting: func(why string, d time.Duration) { r.told = append(r.told, fmt.Sprintf("%v: %s", d, why)) },
	}, []recognition.Sheet{{Key: "scan", Document: scan}})
	return outcomes[0], err
}

// waited reports whether it waited for what the text says.
func (r *uploadRig) waited(text string) bool {
	return slices.ContainsFunc(r.told, func(why string) bool { return strings.Contains(why, text) })
}

// says is an answer of somebody in between.
func says(req *http.Request, status int, body string, header ...string) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body) // as a server does that wants its answer read
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp, nil
}

// largeScan is a PNG of so many bytes.
func largeScan(size int) []byte {
	small := sandbox.SampleFilledForm()
	end := len(small) - 12 // where its last chunk begins
	return slices.Concat(small[:end], []byte(pngChunk(make([]byte, size-len(small)))), small[end:])
}

func someScan() omr.Document { return omr.Bytes(bytes.Clone(largeScan(100_000))) }
