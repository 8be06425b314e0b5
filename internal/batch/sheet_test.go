package batch_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/batch"
	"omr-relay/internal/sandbox"
)

// one is a batch of one sheet whose manifest is made.
func one(t *testing.T) (w *world, p *process, scan string) {
	t.Helper()
	w = newWorld()
	w.place(exam, map[string][]byte{"1.jpg": photo(1)})
	p = w.process(t)
	if out := step(t, p, "manifest"); out.State != batch.Done || out.Sheets != 1 || out.Concurrency != 10 || out.Work != exam+"work" {
		t.Fatalf("%+v", out)
	}
	_, scan, _ = strings.Cut(w.object(out(t, w, "items.csv")), "\n")
	return w, p, strings.TrimSpace(scan)
}

func out(t *testing.T, w *world, name string) string {
	t.Helper()
	key := exam + "work/" + name
	if w.object(key) == "none" {
		t.Fatalf("there is no %s", key)
	}
	return key
}

// exception is the row of the only sheet, or nothing.
func exception(t *testing.T, w *world, p *process) string {
	t.Helper()
	step(t, p, "merge")
	all := rows(w.object(exam + "results/exceptions.csv"))
	if len(all) > 1 {
		t.Errorf("%q", all)
	}
	return strings.Join(all, "")
}

// What becomes of a submission that fails, and what a second run does about it.
func TestFailedSubmissions(t *testing.T) {
	for what, tt := range map[string]struct {
		answer    func() (*http.Response, error)
		taken     bool
		state     batch.State
		name      batch.Name // of the fault, where it ends the batch
		exception string
		again     bool // a second run submits
	}{
		"limited":        {answer: func() (*http.Response, error) { return respond(429, "", "Retry-After", "7") }, state: batch.Submit, again: true},
		"busy":           {answer: func() (*http.Response, error) { return respond(503, "", "Retry-After", "7") }, state: batch.Submit, again: true},
		"not reached":    {answer: func() (*http.Response, error) { return nil, errors.New("no connection") }, state: batch.Submit, again: true},
		"refused":        {answer: func() (*http.Response, error) { return respond(413, `{"title":"Too large"}`) }, state: batch.Done, exception: "upstream_refused,not taken, and not paid for; another batch of the same scans tries again: refused with 413: Too large", again: true},
		"failed":         {answer: func() (*http.Response, error) { return respond(500, "") }, taken: true, state: batch.Done, exception: "submission_unknown,it was sent, and may have been received and paid for; another batch sends it again if it is told to resubmit: it answers 500"},
		"broken off":     {answer: func() (*http.Response, error) { return nil, errors.New("broken") }, taken: true, state: batch.Done, exception: "submission_unknown,it was sent"},
		"no id":          {answer: func() (*http.Response, error) { return respond(200, "<html>") }, taken: true, state: batch.Done, exception: "submission_unknown,it was sent"},
		"not let in":     {answer: func() (*http.Response, error) { return respond(403, "") }, name: batch.CredentialsRejected, again: true},
		"not paid":       {answer: func() (*http.Response, error) { return respond(402, "") }, name: batch.CredentialsRejected, again: true},
		"token rejected": {answer: func() (*http.Response, error) { return respond(401, "") }, name: batch.CredentialsRejected, again: true},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, p, scan := one(t)
				w.upstream = func(scan string, r *http.Request) (*http.Response, error) {
					if scan == "" {
						return nil, nil
					}
					if tt.taken {
						took(r)
					}
					return tt.answer()
				}
				out, err := p.runner.Run(t.Context(), in("submit", scan))
				switch {
				case tt.name != "":
					wantFault(t, err, tt.name, "Aspose takes no calls")
				case err != nil || out.State != tt.state:
					t.Fatalf("%+v, %v", out, err)
				case tt.state == batch.Submit && (out.Seconds < 5 || out.Seconds > 9 || out.Tries != 1):
					t.Errorf("%+v", out)
				}
				if tt.state == batch.Done {
					// Another child, or a retry of this one, finds it concluded or free.
					if got := exception(t, w, p); !strings.HasPrefix(strings.ReplaceAll(got, `"`, ""), "1.jpg,"+tt.exception) {
						t.Errorf("got %s, want %s", got, tt.exception)
					}
				}
				w.upstream = nil
				time.Sleep(2 * time.Hour)
				second := w.process(t)
				step(t, second, "manifest")
				submit(t, second, scan)
				if n := w.submitted[nameOf(photo(1))]; (n == 1) != tt.again {
					t.Errorf("a second run submitted it %d times", n)
				}
			})
		})
	}
}

// The pauses between tries grow, so that a child of the map has few events.
func TestPutOffForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p, scan := one(t)
		w.upstream = func(scan string, _ *http.Request) (*http.Response, error) {
			if scan == "" {
				return nil, nil
			}
			return respond(429, "")
		}
		i, began, tries := in("submit", scan), time.Now(), 0
		for time.Since(began) < 24*time.Hour {
			out, err := p.runner.Run(t.Context(), i)
			if err != nil || out.State != batch.Submit || out.Seconds > 376 {
				t.Fatalf("%+v, %v", out, err)
			}
			i.Tries, tries = out.Tries, tries+1
			time.Sleep(time.Duration(out.Seconds) * time.Second)
		}
		if tries > 320 {
			t.Errorf("%d tries in a day", tries)
		}
	})
}

// A result that takes long is asked for at the learned pace, and then less and less.
func TestWaitsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p, scan := one(t)
		w.Aspose.SetNotReady(1 << 30)
		out, began := submit(t, p, scan), time.Now()
		for out.State == batch.Wait {
			time.Sleep(time.Duration(out.Seconds) * time.Second)
			var err error
			if out, err = p.runner.Run(t.Context(), next(out)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 24*time.Hour || took > 24*time.Hour+6*time.Minute || w.polls > 400 {
			t.Errorf("%d polls in %v", w.polls, took)
		}
		if got := exception(t, w, p); !strings.HasPrefix(got, "1.jpg,not_ready,") {
			t.Error(got)
		}
	})
}

// What a process learns of the upstream's pace, the next sheets are asked for by.
func TestLearnsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		scans := map[string][]byte{}
		for i := range 12 {
			scans[string(rune('a'+i))+".jpg"] = photo(i)
		}
		w.place(exam, scans)
		w.Aspose.SetReadyAfter(20 * time.Second)
		x := w.execution(t, "one")
		x.atOnce = 1
		if _, err := x.run(exam); err != nil {
			t.Fatal(err)
		}
		w.wantSubmissions(t, 12)
		if w.polls > 40 {
			t.Errorf("%d polls for 12 sheets", w.polls)
		}
	})
}

// What fails after a sheet was paid for is asked for again, and never paid for again.
func TestFailedFetches(t *testing.T) {
	for what, tt := range map[string]struct {
		answer    func() (*http.Response, error)
		name      batch.Name
		state     batch.State
		exception string
	}{
		"limited":       {answer: func() (*http.Response, error) { return respond(429, "", "Retry-After", "30") }, state: batch.Wait},
		"failed":        {answer: func() (*http.Response, error) { return respond(502, "") }, state: batch.Wait},
		"broken off":    {answer: func() (*http.Response, error) { return nil, errors.New("broken") }, state: batch.Wait},
		"not let in":    {answer: func() (*http.Response, error) { return respond(403, "") }, name: batch.CredentialsRejected},
		"refused":       {answer: func() (*http.Response, error) { return respond(404, "") }, state: batch.Done, exception: "not_fetched,its result could not be fetched; another batch of the same scans asks again: refused with 404"},
		"none we know":  {answer: func() (*http.Response, error) { return respond(200, "[]") }, state: batch.Wait},
		"the bucket is": {answer: nil, name: batch.Unavailable},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, p, scan := one(t)
				w.Aspose.SetNotReady(0)
				out := submit(t, p, scan)
				w.upstream = func(_ string, r *http.Request) (*http.Response, error) {
					if tt.answer == nil || strings.HasSuffix(r.URL.Path, sandbox.TokenPath) {
						return nil, nil
					}
					return tt.answer()
				}
				if tt.answer == nil {
					w.S3.Respond(func(rw http.ResponseWriter, r *http.Request) bool {
						if r.Method == http.MethodPut {
							rw.WriteHeader(http.StatusForbidden)
						}
						return r.Method == http.MethodPut
					})
				}
				time.Sleep(3 * time.Second)
				got, err := p.runner.Run(t.Context(), next(out))
				switch {
				case tt.name != "":
					wantFault(t, err, tt.name, "")
				case err != nil || got.State != tt.state:
					t.Fatalf("%+v, %v", got, err)
				case got.State == batch.Wait && (got.Seconds < 10 || got.Task != out.Task || got.Sheet != out.Sheet || !got.Submitted.Equal(*out.Submitted)):
					t.Errorf("%+v after %+v", got, out)
				}
				w.upstream = nil
				w.S3.Respond(nil)
				if tt.exception != "" {
					if got := exception(t, w, p); got != "1.jpg,"+tt.exception {
						t.Error(got)
					}
				}
				// A second run asks for the task that is known.
				second := w.process(t)
				step(t, second, "manifest")
				again := submit(t, second, scan)
				if again.State != batch.Wait || again.Task != out.Task {
					t.Fatalf("%+v, want to wait for %s", again, out.Task)
				}
				if got, err = second.runner.Run(t.Context(), next(again)); err != nil || got.State != batch.Done {
					t.Fatalf("%+v, %v", got, err)
				}
				if got := exception(t, w, second); got != "" {
					t.Error(got)
				}
				w.wantSubmissions(t, 1)
			})
		})
	}
}

// What the upstream says of a sheet is its outcome.
func TestOutcomes(t *testing.T) {
	for _, tt := range []struct {
		outcome   sandbox.Outcome
		exception string
	}{
		{sandbox.Outcome{Status: "NoAnyResultData"}, "1.jpg,NoAnyResultData,nothing found on it"},
		{sandbox.Outcome{Status: "PartiallyNotFound", Data: true}, "1.jpg,PartiallyNotFound,part of the form was not found"},
		{sandbox.Outcome{Status: "Error", Messages: []string{"too dark"}}, "1.jpg,Error,Aspose could not recognize it: too dark"},
		{sandbox.Outcome{Status: "ResultDataLost"}, "1.jpg,ResultDataLost,Aspose has lost the result, which it keeps for 24 hours; another batch sends the sheet again, and pays again, if it is told to resubmit"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, p, scan := one(t)
			w.Aspose.SetNotReady(0)
			w.Aspose.SetOutcomes(tt.outcome)
			if _, err := w.execution(t, "one").run(exam); err != nil {
				t.Fatal(err)
			}
			if got := strings.ReplaceAll(exception(t, w, p), `"`, ""); !strings.HasPrefix(got, tt.exception) {
				t.Errorf("got %s, want %s", got, tt.exception)
			}
			if out := submit(t, w.process(t), scan); out.State != batch.Done {
				t.Errorf("%+v", out)
			}
			w.wantSubmissions(t, 1)
			if tt.outcome.Status != "ResultDataLost" {
				return
			}
			// What is lost is sent again where a person says so: once.
			w.S3.SetObject(exam+"order.json", []byte(`{"resubmit":true}`))
			time.Sleep(time.Minute)
			if _, err := w.execution(t, "two").run(exam); err != nil {
				t.Fatal(err)
			}
			if n, got := w.submitted[nameOf(photo(1))], exception(t, w, p); n != 2 || got != "" {
				t.Errorf("submitted %d times, %s", n, got)
			}
		})
	}
}

// A submission has a minute, and who comes meanwhile waits no longer than that.
func TestSubmissionThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p, scan := one(t)
		w.upstream = func(scan string, r *http.Request) (*http.Response, error) {
			if scan == "" {
				return nil, nil
			}
			took(r)
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		began := time.Now()
		var both sync.WaitGroup
		both.Go(func() {
			if out, err := p.runner.Run(t.Context(), in("submit", scan)); err != nil || out.State != batch.Done || time.Since(began) != time.Minute {
				t.Errorf("%+v, %v, after %v", out, err, time.Since(began))
			}
		})
		both.Go(func() {
			time.Sleep(time.Second)
			other, waits := w.process(t), 0
			for out := submit(t, other, scan); out.State != batch.Done; out = submit(t, other, scan) {
				if out.State != batch.Submit || out.Seconds > 30 || out.Tries != 0 {
					t.Errorf("%+v", out)
				}
				waits++
				time.Sleep(time.Duration(out.Seconds) * time.Second)
			}
			if took := time.Since(began); took > 65*time.Second || waits > 4 {
				t.Errorf("waited %d times, %v", waits, took)
			}
		})
		both.Wait()
		if got := exception(t, w, p); !strings.HasPrefix(got, "1.jpg,submission_unknown,") {
			t.Error(got)
		}
	})
}

// Of many who submit a sheet at once, one does.
func TestManyChildrenOfOneSheet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, scan := one(t)
		var all sync.WaitGroup
		var mu sync.Mutex
		var tasks []string
		for range 20 {
			p := w.process(t)
			all.Go(func() {
				out := submit(t, p, scan)
				for out.State == batch.Submit {
					time.Sleep(time.Duration(out.Seconds) * time.Second)
					out = submit(t, p, scan)
				}
				mu.Lock()
				defer mu.Unlock()
				tasks = append(tasks, out.Task)
			})
		}
		all.Wait()
		w.wantSubmissions(t, 1)
		if slices.Sort(tasks); len(slices.Compact(tasks)) != 1 || tasks[0] == "" {
			t.Errorf("tasks %q", tasks)
		}
	})
}

// A pattern that is changed while its batch runs is the next batch's: all sheets of this
// one are recognized by the one that the list was made with, and so are its tables.
func TestPatternThatIsChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p, scan := one(t)
		first := submit(t, p, scan)
		w.S3.SetObject(exam+"pattern.omr", append(sandbox.SamplePattern(), ' '))
		for _, process := range []*process{p, w.process(t)} { // one has seen the old one, the other has not
			if out := submit(t, process, scan); out.Sheet != first.Sheet || out.Task != first.Task {
				t.Errorf("%+v, want %+v", out, first)
			}
		}
		i := in("manifest")
		i.Execution = "two"
		if _, err := p.runner.Run(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		i = in("submit", scan)
		i.Execution = "two"
		out, err := p.runner.Run(t.Context(), i)
		if err != nil || out.Sheet == first.Sheet || out.Task == first.Task {
			t.Errorf("%+v, %v", out, err)
		}
	})
}
