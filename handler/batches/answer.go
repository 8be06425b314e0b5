package batches

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/batch/layout"
)

// askAgain is when it is worth asking how far a batch is.
const askAgain = 10 * time.Second

// state is what a caller is told of a batch.
type state struct {
	ID         string            `json:"id"`
	Name       string            `json:"name,omitempty"`
	Status     Status            `json:"status"`
	Started    time.Time         `json:"started,omitzero"`
	Ended      time.Time         `json:"ended,omitzero"`
	Error      string            `json:"error,omitempty"`
	Sheets     *Counts           `json:"sheets,omitempty"`
	Answered   *int              `json:"answered,omitempty"`
	Exceptions *int              `json:"exceptions,omitempty"`
	Results    map[string]string `json:"results,omitempty"`
}

// newState tells of a batch what its execution does, and makes links to its tables
// where there are some.
func (b *Batches) newState(ctx context.Context, f *found) (*state, error) {
	s := &state{ID: f.id, Name: f.order.Name, Status: f.Status, Started: f.Started.UTC(), Ended: f.Ended.UTC(), Error: safeError(f.Error)}
	if f.Sheets != (Counts{}) {
		s.Sheets = &f.Sheets
	}
	if f.Status != Succeeded {
		return s, nil
	}
	var merged struct{ Sheets, Answered, Exceptions int }
	_ = json.Unmarshal([]byte(f.Output), &merged) // what is not there is none
	s.Sheets = &Counts{Total: merged.Sheets, Done: merged.Sheets}
	s.Answered, s.Exceptions = &merged.Answered, &merged.Exceptions
	s.Results = map[string]string{}
	for _, name := range layout.Tables {
		link, err := b.cfg.Store.Link(ctx, layout.TableKey(f.prefix(), name), name)
		if err != nil {
			return nil, err
		}
		s.Results[name] = link
	}
	return s, nil
}

// safeError passes names on, such as TooManySheets or States.Timeout.
func safeError(name string) string {
	if len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' }) {
		return "Failed"
	}
	return name
}

// answer is JSON, with links or a caller's own words in it: nobody on the way may keep
// it.
func (s *state) answer(status int) *gateway.Answer {
	header := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}
	if s.Status == Running || s.Status == Erasing {
		retryAfter(header, askAgain)
	}
	var body bytes.Buffer
	text := json.NewEncoder(&body)
	text.SetEscapeHTML(false) // links have ampersands
	_ = text.Encode(s)        // plain values always marshal
	return &gateway.Answer{Status: status, Header: header, Body: io.NopCloser(&body), Length: int64(body.Len())}
}

// retryAfter is rounded up: a caller who comes then must not come too early.
func retryAfter(h http.Header, d time.Duration) {
	h.Set("Retry-After", strconv.Itoa(int((d+time.Second-1)/time.Second)))
}
