package recognition_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
	"omr-relay/internal/table"
)

// A thousand sheets take no more memory than a hundred: 200 KB each, with answers
// of 20 KB.
func TestMemoryIsFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 270 MB to itself")
	}
	synctest.Test(t, func(t *testing.T) {
		const count, size = 1000, 200_000
		all := make([]recognition.Sheet, count)
		for i := range all {
			all[i] = recognition.Sheet{Key: fmt.Sprintf("sheet %d", i), Document: omr.Document{Size: size, Open: func() (io.ReadCloser, error) {
				return io.NopCloser(io.LimitReader(endless{}, size)), nil
			}}}
		}
		answer := base64.StdEncoding.EncodeToString([]byte("Element Name,Value,\n" + strings.Repeat("Question,\"some of an answer\"\n", 700)))
		tasks := 0
		s := newService()
		s.answer = func(_ string, r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				_, err := io.Copy(io.Discard, r.Body)
				tasks++
				return says(200, nil, fmt.Sprintf("task-%d", tasks)), err
			}
			return says(200, nil, `{"responseStatusCode":"Ok","results":[{"type":"Csv","data":"`+answer+`"}]}`), nil
		}
		cfg := config(t, s, nil)
		cfg.Client = &omr.Client{Transport: streaming{s}, BaseURL: cfg.Client.BaseURL}
		cfg.Jobs = 1 // the count of tasks is the test's own
		var heap []uint64
		done := 0
		cfg.Done = func(int, recognition.Outcome) {
			if done++; done%100 == 0 {
				heap = append(heap, inUse())
			}
		}
		if _, err := recognition.Run(t.Context(), cfg, all); err != nil {
			t.Fatal(err)
		}
		rows := 0
		err := table.Write(io.Discard, omr.CSV, count, func(i int) (table.Row, error) {
			if rows++; rows%count == 0 {
				heap = append(heap, inUse())
			}
			r, err := cfg.Journal.Result(all[i].Key)
			return table.Row{Image: all[i].Key, Status: r.Status, Data: r.Data}, err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("KB in use after each 100 sheets, and while the table is written: %v", kilobytes(heap))
		for _, after := range heap[1:] {
			if after > heap[0]+2_000_000 {
				t.Errorf("%d KB after 100 sheets, later %d KB", heap[0]/1000, after/1000)
			}
		}
	})
}

// streaming reads bodies as a connection does, and keeps nothing of them.
type streaming struct{ s *service }

func (t streaming) RoundTrip(r *http.Request) (*http.Response, error) { return t.s.answer("", r) }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func kilobytes(bytes []uint64) (all []uint64) {
	for _, n := range bytes {
		all = append(all, n/1000)
	}
	return all
}
