package omr_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

const canary = "canary-7f3a"

// roundTrip is a transport that has taken every call it answers or fails.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	record := callrecord.From(r.Context())
	record.Sent = true
	record.UpstreamCalls++
	return f(r)
}

func answering(status int, body string, header ...string) roundTrip {
	return func(*http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func client(rt http.RoundTripper) *omr.Client {
	return &omr.Client{Transport: rt, BaseURL: &url.URL{Scheme: "https", Host: "upstream.example", Path: "/base/"}}
}

func aTask() *omr.Task {
	return omr.NewRecognition(omr.Bytes([]byte("scan")), omr.Bytes([]byte("pattern")), omr.CSV, nil)
}

// The life of a task at the stand-in, and what the record says of it.
func TestLife(t *testing.T) {
	aspose := &sandbox.Aspose{}
	inProcess := sandbox.InProcess(aspose)
	c := client(roundTrip(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer any")
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/base")
		return inProcess.RoundTrip(r)
	}))
	c.Header = http.Header{"X-Aspose-Client": {"mine"}}
	aspose.Record(10)
	tasks := map[omr.Service]*omr.Task{
		omr.Recognition: aTask(),
		omr.Generation:  omr.NewGeneration(omr.Bytes([]byte("?text=Name")), nil, nil),
	}
	for service, task := range tasks {
		ctx, record := callrecord.With(t.Context())
		id, err := c.Submit(ctx, service, task)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []omr.Status{omr.NotReady, omr.Ok} {
			result, err := c.Fetch(ctx, service, id)
			if err != nil || result.Status != want || result.Status.Final() != (want == omr.Ok) || len(result.Files) == 0 != (want == omr.NotReady) {
				t.Fatalf("%s: %+v, %v", want, result, err)
			}
		}
		if err := c.Cancel(ctx, service, id); err != nil {
			t.Fatal(err)
		}
		if result, err := c.Fetch(ctx, service, id); err != nil || result.Status != omr.TaskNotFound {
			t.Errorf("after it was cancelled: %+v, %v", result, err)
		}
		if !slices.Equal(record.Tasks, []string{id}) || record.Billable != 1 || record.Polls != 3 || record.UpstreamCalls != 5 {
			t.Errorf("record %+v", record)
		}
	}
	for _, r := range aspose.Requests() {
		if r.Header.Get("X-Aspose-Client") != "mine" || r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("User-Agent") != "" {
			t.Errorf("%s %s: header %v", r.Method, r.Target, r.Header)
		}
	}
	if len(c.Header) != 1 {
		t.Error("the client's header was changed")
	}
}

// Over a real connection: the length is announced, and right.
func TestTaskOnTheWire(t *testing.T) {
	type received struct {
		Images               [][]byte
		OmrFile              []byte
		OutputFormat         string
		RecognitionThreshold *int
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength != int64(len(body)) || len(r.TransferEncoding) > 0 {
			t.Errorf("%d bytes announced, %d came: %v", r.ContentLength, len(body), err)
		}
		_, _ = w.Write(body)
	}))
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	base, _ := url.Parse(server.URL)
	threshold := 0
	for _, size := range []int{1, 2, 3, 4, 12<<10 - 1, 12 << 10, 12<<10 + 1, 1 << 20} {
		scan := bytes.Repeat([]byte{0xff, 0, 1}, size/3+1)[:size]
		task := omr.NewRecognition(omr.Bytes(scan), omr.Bytes([]byte("pattern")), omr.XML, &threshold)
		var echoed []byte
		c := &omr.Client{BaseURL: base, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := transport.RoundTrip(r)
			if err == nil {
				echoed, _ = io.ReadAll(resp.Body)
				resp.Body = io.NopCloser(strings.NewReader(" \"an-id\"\n"))
			}
			return resp, err
		})}
		if id, err := c.Submit(t.Context(), omr.Recognition, task); err != nil || id != "an-id" {
			t.Fatalf("%q, %v", id, err)
		}
		var got received
		if err := json.Unmarshal(echoed, &got); err != nil || len(got.Images) != 1 || !bytes.Equal(got.Images[0], scan) ||
			string(got.OmrFile) != "pattern" || got.OutputFormat != "XML" || got.RecognitionThreshold == nil || *got.RecognitionThreshold != 0 {
			t.Errorf("%d bytes: %v, came as %.200s", size, err, echoed)
		}
	}
	var generation struct {
		MarkupFile []byte
		Images     map[string][]byte
		Settings   map[string]any
	}
	images := []omr.Named{{Name: `a "logo".png`, Document: omr.Bytes([]byte("one"))}, {Name: "empty", Document: omr.Bytes(nil)}}
	task := omr.NewGeneration(omr.Bytes([]byte("?text=x")), images, []byte(`{"paperSize":"A4"}`))
	c := client(roundTrip(func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &generation); err != nil || int64(len(body)) != r.ContentLength {
			t.Errorf("%s: %v", body, err)
		}
		return answering(200, "an-id")(r)
	}))
	if _, err := c.Submit(t.Context(), omr.Generation, task); err != nil || string(generation.MarkupFile) != "?text=x" ||
		string(generation.Images[`a "logo".png`]) != "one" || generation.Settings["paperSize"] != "A4" {
		t.Errorf("%+v, %v", generation, err)
	}
}

// Who pays for each submission must know whether it may have arrived.
func TestFailures(t *testing.T) {
	fails := func(sent bool, err error) http.RoundTripper {
		if sent {
			return roundTrip(func(*http.Request) (*http.Response, error) { return nil, err })
		}
		return notSent{err}
	}
	cut := &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader("an"), failing{}))}
	for _, tt := range []struct {
		name                  string
		transport             http.RoundTripper
		arrived, ours, lasts  bool
		status                int
		text                  string
		retryAfter            time.Duration
		invalid, tokenProblem bool
	}{
		{name: "no connection", transport: fails(false, errors.New(canary)), text: "submitting: failed (*errors.errorString)"},
		{name: "broken off", transport: fails(true, io.ErrUnexpectedEOF), arrived: true,
			text: "submitting: connection closed in the middle of the answer"},
		{name: "no token", transport: fails(true, &problem.Error{Code: problem.TokenUnavailable}), lasts: true, tokenProblem: true,
			text: "submitting: token_unavailable"},
		{name: "token rejected twice", transport: fails(true, &problem.Error{Code: problem.UpstreamRejectedToken}), lasts: true, tokenProblem: true,
			text: "submitting: upstream_rejected_token"},
		{name: "token echoed", transport: fails(true, &problem.Error{Code: problem.UpstreamEchoedToken}), arrived: true, lasts: true, tokenProblem: true,
			text: "submitting: upstream_echoed_token"},
		{name: "half an id", transport: roundTrip(func(*http.Request) (*http.Response, error) { return cut, nil }), arrived: true,
			text: "submitting: connection reset by " + canary},
		{name: "no id", transport: answering(200, "<html>"+canary), arrived: true, invalid: true, text: "submitting: the answer to a submission is no task id"},
		{name: "an endless id", transport: answering(200, strings.Repeat("a", 17<<20)), arrived: true, invalid: true, text: "submitting: the answer is larger than any result"},
		{name: "encoded", transport: answering(200, "an-id", "Content-Encoding", "gzip"), arrived: true, invalid: true,
			text: "submitting: the answer has a content coding that was not asked for"},
		{name: "invalid", transport: answering(400, canary), ours: true, lasts: true, status: 400, text: "submitting: the upstream answered 400"},
		{name: "too large", transport: answering(413, ""), ours: true, lasts: true, status: 413, text: "submitting: the upstream answered 413"},
		{name: "no credit", transport: answering(402, ""), lasts: true, status: 402, text: "submitting: the upstream answered 402"},
		{name: "too many", transport: answering(429, "", "Retry-After", "7"), status: 429, retryAfter: 7 * time.Second, text: "submitting: the upstream answered 429"},
		{name: "down", transport: answering(503, "", "Retry-After", "99999999"), arrived: true, status: 503, retryAfter: time.Hour, text: "submitting: the upstream answered 503"},
		{name: "a redirect", transport: answering(307, "", "Location", "https://elsewhere.example"), ours: true, lasts: true, status: 307, text: "submitting: the upstream answered 307"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, record := callrecord.With(t.Context())
			id, err := client(tt.transport).Submit(ctx, omr.Recognition, aTask())
			f, ok := errors.AsType[*omr.Failure](err)
			if !ok || id != "" || len(record.Tasks) > 0 {
				t.Fatalf("%q, %v", id, err)
			}
			if f.MayHaveArrived != tt.arrived || f.Ours() != tt.ours || f.Lasting() != tt.lasts || f.InvalidAnswer() != tt.invalid {
				t.Errorf("arrived %t, ours %t, lasting %t, invalid %t", f.MayHaveArrived, f.Ours(), f.Lasting(), f.InvalidAnswer())
			}
			if tt.status == 0 != (f.Refusal == nil) || f.Refusal != nil && (f.Refusal.Status != tt.status || f.Refusal.RetryAfter != tt.retryAfter) {
				t.Errorf("refusal %+v", f.Refusal)
			}
			if _, ok := errors.AsType[*problem.Error](err); ok != tt.tokenProblem {
				t.Errorf("a problem in the chain: %t", ok)
			}
			for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %#v %s", err, err, err, err), problem.Describe(err)} {
				if strings.Contains(text, canary) {
					t.Errorf("text %q", text)
				}
			}
			if tt.name != "half an id" && err.Error() != tt.text {
				t.Errorf("text %q, want %q", err, tt.text)
			}
		})
	}
}

type notSent struct{ err error }

func (n notSent) RoundTrip(*http.Request) (*http.Response, error) { return nil, n.err }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("reset by " + canary) }

func TestResults(t *testing.T) {
	long := strings.Repeat("é", 400)
	for _, tt := range []struct {
		name, body string
		want       omr.Result
	}{
		{"pending", `{"id":"x","responseStatusCode":"NotReady","results":null,"error":null}`, omr.Result{Status: omr.NotReady}},
		{"in upper case", `{"ResponseStatusCode":"Ok","Results":[{"Type":"Csv","Data":"YQ=="},{"Type":"Txt","Data":""},{"Type":"Png"}]}`,
			omr.Result{Status: omr.Ok, Files: []omr.File{{Type: "Csv", Data: []byte("a")}}}},
		{"an error", `{"responseStatusCode":"Error","error":{"messages":["No \u0007 markers\n found",""],"warnings":["` + long + `"]}}`,
			omr.Result{Status: omr.Error, Messages: []string{"No markers found", long[:300] + "…"}}},
		{"an error of another form", `{"responseStatusCode":"Error","error":"No"}`, omr.Result{Status: omr.Error}},
		{"not known", `{"responseStatusCode":"Processing"}`, omr.Result{Status: "Processing"}},
	} {
		got, err := client(answering(200, tt.body)).Fetch(t.Context(), omr.Recognition, "an-id")
		if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", &tt.want) {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, &tt.want)
		}
	}
	for _, body := range []string{"", "null", "{}", `{"responseStatusCode":null}`, `{"responseStatusCode":5}`,
		`{"responseStatusCode":"Ok","results":[{"data":"!"}]}`, `{"responseStatusCode":"Ok"`} {
		got, err := client(answering(200, body)).Fetch(t.Context(), omr.Recognition, "an-id")
		if f, ok := errors.AsType[*omr.Failure](err); !ok || !f.InvalidAnswer() {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	}
	for status, word := range map[omr.Status]string{omr.Ok: "Ok", "Processing": "Processing", "": "unknown", "a b": "unknown", "<>": "unknown"} {
		if status.Word() != word {
			t.Errorf("%q is %q", status, status.Word())
		}
	}
}

// A document that is read no more is closed, wherever the reading ended.
func TestDocumentsAreClosed(t *testing.T) {
	opened := 0
	document := omr.Document{Size: 1 << 20, Open: func() (io.ReadCloser, error) {
		opened++
		return &counted{Reader: bytes.NewReader(make([]byte, 1<<20)), open: &opened}, nil
	}}
	for _, take := range []int64{0, 20, 1 << 20, 1 << 22} {
		c := client(roundTrip(func(r *http.Request) (*http.Response, error) {
			for range 2 { // as after a 401
				body, err := r.GetBody()
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.CopyN(io.Discard, body, take)
				body.Close()
				if _, err := body.Read(make([]byte, 9)); err == nil {
					t.Error("a closed task was read")
				}
			}
			r.Body.Close()
			return answering(200, "an-id")(r)
		}))
		if _, err := c.Submit(t.Context(), omr.Recognition, omr.NewRecognition(document, document, omr.CSV, nil)); err != nil || opened != 0 {
			t.Errorf("after %d bytes: %d open, %v", take, opened, err)
		}
	}
	gone := omr.Document{Size: 1, Open: func() (io.ReadCloser, error) { return nil, io.ErrClosedPipe }}
	c := client(roundTrip(func(r *http.Request) (*http.Response, error) {
		_, err := io.Copy(io.Discard, r.Body)
		return nil, err
	}))
	if _, err := c.Submit(t.Context(), omr.Recognition, omr.NewRecognition(gone, gone, omr.CSV, nil)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

type counted struct {
	io.Reader
	open *int
}

func (c *counted) Close() error { *c.open--; return nil }

// A call ends with its context.
func TestDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := client(roundTrip(func(r *http.Request) (*http.Response, error) {
		cancel()
		return nil, r.Context().Err()
	}))
	if err := c.Cancel(ctx, omr.Recognition, "an-id"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
