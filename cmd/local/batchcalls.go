package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"omr-relay/internal/config"
	"omr-relay/internal/httpanswer"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
	"omr-relay/internal/recognition"
)

// batchState is the answer to a question for a batch, as far as it is needed.
type batchState struct {
	ID         string
	Status     string
	Error      string
	Sheets     struct{ Total, Done, Running int }
	Answered   int
	Exceptions int
	Results    map[string]string // links that live for minutes

	retryAfter time.Duration
}

// The statuses of a batch.
const (
	batchRunning   = "running"
	batchSucceeded = "succeeded"
	batchFailed    = "failed"
	batchStopped   = "stopped"
)

// batchOrder is what POST /batches takes.
type batchOrder struct {
	Pattern   string         `json:"pattern"`
	Threshold *int           `json:"recognitionThreshold,omitempty"`
	Format    omr.Format     `json:"format"`
	Uploads   []batchOrdered `json:"uploads"`
}

// batchOrdered is one scan of an order: its upload, and the name of its row.
type batchOrdered struct {
	Upload string `json:"upload"`
	Name   string `json:"name"`
}

// orderBytes is what fits of an order into the event that Lambda takes.
const orderBytes = 6<<20 - 16<<10

func newBatchOrder(pattern []byte, threshold *int, uploads []batchOrdered) []byte {
	text, _ := json.Marshal(batchOrder{ // plain values always marshal
		Pattern: base64.StdEncoding.EncodeToString(pattern), Threshold: threshold, Format: omr.CSV, Uploads: uploads,
	})
	return text
}

// takesBatches asks whether the relay has batches, for one that nobody has made.
func (u *uploader) takesBatches(ctx context.Context, bucket bool) error {
	if !bucket {
		return errors.New("the relay has no bucket, and so no batches: the template's parameter Scans=create makes both (docs/batches.md)")
	}
	_, err := u.batch(ctx, strings.Repeat("0", 32))
	f, failed := errors.AsType[*omr.Failure](err)
	switch {
	case err == nil, failed && codeOf(f) == problem.BatchNotFound:
		return nil
	case failed && codeOf(f) == problem.RouteNotFound:
		return errors.New("the relay has no batches: it is of an earlier version, or without a state machine; deploy it anew with the template's parameter Scans=create (docs/batches.md)")
	default:
		return fmt.Errorf("asking the relay for its batches: %s", whyOf(err))
	}
}

// startBatch starts the batch that the key stands for, or finds it started, and returns
// its id. It costs nothing by itself.
func (u *uploader) startBatch(ctx context.Context, key string, order []byte, resubmit bool) (id string, err error) {
	header := http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {key}}
	if resubmit {
		header.Set("Prefer", "resubmit")
	}
	said, err := u.post(ctx, "batches", order, header)
	if err != nil {
		return "", &omr.Failure{Call: "starting a batch", MayHaveArrived: true, Err: err}
	}
	state, err := said.batch("starting a batch")
	if err != nil {
		return "", err
	}
	return state.ID, nil
}

// batch asks how a batch is doing.
func (u *uploader) batch(ctx context.Context, id string) (*batchState, error) {
	said, err := u.call(ctx, http.MethodGet, "batches/"+id, nil, nil)
	if err != nil {
		return nil, &omr.Failure{Call: "asking for a batch", Err: err}
	}
	return said.batch("asking for a batch")
}

func (s *said) batch(call string) (*batchState, error) {
	if s.status != http.StatusOK && s.status != http.StatusAccepted {
		return nil, s.refusal(call)
	}
	state := &batchState{retryAfter: httpanswer.RetryAfter(s.header, time.Now())}
	if err := json.Unmarshal(s.body, state); err != nil || state.Status == "" || !validBatchID(state.ID) {
		return nil, &omr.Failure{Call: call, MayHaveArrived: true, Err: problem.Constant("the relay's answer tells of no batch")}
	}
	return state, nil
}

// validBatchID keeps what came as an id from being another path.
func validBatchID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == ""
}

// table copies the table behind a link. The storage never sees the key. broken says that
// another link, or another try, may do.
func (u *uploader) table(ctx context.Context, link string, to io.Writer) (broken bool, err error) {
	// Answers come by where nobody on the way can read them.
	if where, err := url.Parse(link); err != nil || !safeLink(*where) {
		return false, errors.New("the relay's answer has no link to the table that can be followed")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, http.NoBody)
	if err != nil {
		return false, errors.New("the relay's answer has no link to the table that can be followed")
	}
	resp, err := u.storage.RoundTrip(req)
	if err != nil {
		return true, fmt.Errorf("fetching a table: %s", problem.Describe(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxKept)) // only for the connection's sake
		return true, fmt.Errorf("fetching a table: S3 answers %d", resp.StatusCode)
	}
	own := &ownErrors{w: to}
	if _, err := io.Copy(own, resp.Body); err != nil {
		if own.err != nil {
			return false, fmt.Errorf("keeping a table: %w", own.err)
		}
		return true, fmt.Errorf("fetching a table: %s", problem.Describe(err))
	}
	return false, nil
}

func safeLink(u url.URL) bool {
	u.RawQuery, u.ForceQuery = "", false
	_, err := config.ParseURL(u.String())
	return err == nil
}

// ownErrors tells this machine's errors from the network's.
type ownErrors struct {
	w   io.Writer
	err error
}

func (o *ownErrors) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil {
		o.err = err
	}
	return n, err
}

// whyOf is what a failed call of ours means, in words.
func whyOf(err error) string { return recognition.Judge(err).Why }
