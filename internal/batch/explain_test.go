package batch_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/batch"
	"omr-relay/internal/bucket"
)

// A batch that a sheet ends is failed by the name of what the sheet found out, not by the
// map's own.
func TestMapFailsByItsSheetsFault(t *testing.T) {
	submission := func(answer func() (*http.Response, error)) func(w *world) {
		return func(w *world) {
			w.upstream = func(scan string, _ *http.Request) (*http.Response, error) {
				if scan == nameOf(photo(2)) {
					return answer()
				}
				return nil, nil
			}
		}
	}
	s3 := func(method, part string) func(w *world) {
		return func(w *world) {
			w.S3.Respond(func(rw http.ResponseWriter, r *http.Request) bool {
				if r.Method != method || !strings.Contains(r.URL.Path, part) {
					return false
				}
				rw.WriteHeader(http.StatusServiceUnavailable)
				return true
			})
		}
	}
	for what, tt := range map[string]struct {
		prepare     func(w *world)
		change      func(r *batch.Runner)
		name, cause string
	}{
		"not let in":  {prepare: submission(func() (*http.Response, error) { return respond(403, "") }), name: "CredentialsRejected", cause: "Aspose takes no calls"},
		"a mistake":   {change: func(r *batch.Runner) { r.Files = brokenScans{r.Files} }, name: "Failed", cause: "the step failed"},
		"no results":  {prepare: s3(http.MethodPut, "/sheets/"), name: "Unavailable", cause: "recording a submission"},
		"the word is": {prepare: s3(http.MethodGet, "faults/"), change: func(r *batch.Runner) { r.Files = brokenScans{r.Files} }, name: "Unavailable", cause: "reading why the map failed"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.place(exam, map[string][]byte{"1.jpg": photo(1), "2.jpg": photo(2), "3.jpg": photo(3)})
				if tt.prepare != nil {
					tt.prepare(w)
				}
				x := w.execution(t, "one", func(r *batch.Runner) {
					if tt.change != nil && r.Files != nil {
						tt.change(r)
					}
				})
				x.atOnce = 1
				out, err := x.run(exam)
				f, ok := errors.AsType[*failure](err)
				if !ok || f.name != tt.name || !strings.Contains(f.cause, tt.cause) || x.ran["Explain"] != 1 {
					t.Errorf("%v, %v; want %s: %s", out, err, tt.name, tt.cause)
				}
			})
		})
	}
}

// brokenScans is a bucket in which a bug is, that shows while a sheet is submitted.
type brokenScans struct{ batch.Files }

func (b brokenScans) Find(ctx context.Context, key string) (*bucket.Upload, error) {
	if strings.Contains(key, "scans/") {
		panic("anna.jpg")
	}
	return b.Files.Find(ctx, key)
}

// Word of another execution, or of what passed long ago, explains nothing; and of several
// faults that counts which a person must mend.
func TestExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p, scan := one(t)
		explain := func(execution string) error {
			i := in("explain")
			i.Execution = execution
			out, err := w.process(t).runner.Run(t.Context(), i)
			if out != nil {
				t.Errorf("%+v", out)
			}
			return err
		}
		wantFault(t, explain("one"), batch.Failed, "a sheet's step broke off")
		for name, want := range map[string]string{
			"States.ExceedToleratedFailureThreshold": "a sheet's step broke off",
			"States.ItemReaderFailed":                "the map over the sheets failed: States.ItemReaderFailed",
			"anna.jpg is no name":                    "a sheet's step broke off",
		} {
			i := in("explain")
			i.Error = name
			_, err := p.runner.Run(t.Context(), i)
			wantFault(t, err, batch.Failed, want)
		}
		down := func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/sheets/") {
				return false
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "words")
			return true
		}
		w.S3.Respond(down)
		_, err := p.runner.Run(t.Context(), in("submit", scan))
		wantFault(t, err, batch.Unavailable, "reading a result")
		w.S3.Respond(nil)
		wantFault(t, explain("one"), batch.Unavailable, "reading a result")
		wantFault(t, explain("two"), batch.Failed, "a sheet's step broke off")
		time.Sleep(time.Hour)
		wantFault(t, explain("one"), batch.Failed, "a sheet's step broke off")
		w.upstream = func(scan string, _ *http.Request) (*http.Response, error) {
			if scan == "" {
				return nil, nil
			}
			return respond(http.StatusForbidden, "")
		}
		_, err = p.runner.Run(t.Context(), in("submit", scan))
		wantFault(t, err, batch.CredentialsRejected, "Aspose takes no calls")
		w.S3.Respond(down)
		_, err = p.runner.Run(t.Context(), in("submit", scan))
		wantFault(t, err, batch.Unavailable, "reading a result")
		w.S3.Respond(nil)
		time.Sleep(time.Hour)
		wantFault(t, explain("one"), batch.CredentialsRejected, "Aspose takes no calls")
		if err := explain("one"); strings.Contains(err.Error(), "words") || strings.Contains(err.Error(), "1.jpg") {
			t.Error(err)
		}
	})
}

// A bucket that takes the word and says nothing holds no fault up: the invocation's end
// would have Lambda's timeout, which is tried again, in its place.
func TestWordThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p, scan := one(t)
		w.upstream = func(scan string, _ *http.Request) (*http.Response, error) {
			if scan == "" {
				return nil, nil
			}
			return respond(http.StatusForbidden, "")
		}
		w.S3.Respond(func(_ http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "faults/") {
				return false
			}
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		began := time.Now()
		_, err := p.runner.Run(ctx, in("submit", scan))
		wantFault(t, err, batch.CredentialsRejected, "Aspose takes no calls")
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
