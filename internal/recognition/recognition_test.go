package recognition_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
	"omr-relay/internal/sandbox"
)

// Forty sheets of two seconds each take at most 1.3 times what the jobs allow.
func TestJobsAreUsed(t *testing.T) {
	for _, jobs := range []int{1, 4, 8, 40} {
		synctest.Test(t, func(t *testing.T) {
			s := newService()
			s.SetReadyAfter(2 * time.Second)
			cfg := config(t, s, nil)
			cfg.Jobs = jobs
			done := 0
			cfg.Done = func(int, recognition.Outcome) { done++ }
			began := time.Now()
			outcomes, err := recognition.Run(t.Context(), cfg, sheets(40))
			if err != nil || statuses(outcomes) != "[Ok:40]" || done != 40 {
				t.Fatal(statuses(outcomes), done, err)
			}
			took, ideal := time.Since(began), 2*time.Second*time.Duration((40+jobs-1)/jobs)
			t.Logf("%d jobs: %v, %.2f of what they allow, %.2f polls a sheet", jobs, took, float64(took)/float64(ideal), float64(s.polls)/40)
			if took > ideal*13/10 {
				t.Errorf("%d jobs: %v, more than 1.3 × %v", jobs, took, ideal)
			}
			if err := s.once(40); err != nil {
				t.Error(err)
			}
		})
	}
}

// The same sheet twice is paid for once.
func TestSameSheetOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		two := append(sheets(2), sheets(2)...)
		outcomes, err := recognition.Run(t.Context(), config(t, s, nil), two)
		if err := errors.Join(err, s.once(2)); err != nil || statuses(outcomes) != "[Ok:4]" {
			t.Error(statuses(outcomes), err)
		}
	})
}

// What became of a sheet is told, and no other sheet suffers from it.
func TestFates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.SetOutcomes(
			sandbox.Outcome{},
			sandbox.Outcome{Status: "Error", Messages: []string{"too dark"}},
			sandbox.Outcome{Status: "NoAnyResultData"},
			sandbox.Outcome{Status: "PartiallyNotFound", Data: true},
			sandbox.Outcome{Status: "ResultDataLost"},
			sandbox.Outcome{Status: "Processing"},
		)
		cfg := config(t, s, nil)
		cfg.Jobs = 1 // the fates are in the order of the submissions
		outcomes, err := recognition.Run(t.Context(), cfg, sheets(6))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{
			"", "Aspose could not recognize it: too dark", "nothing found on it", "part of the form was not found", "Aspose has lost the result", "its result was not there after 10 minutes",
		} {
			if got := outcomes[i].Reason(); !strings.HasPrefix(got, want) || want == "" && got != "" {
				t.Errorf("%d (%s): %q, want %q", i, outcomes[i].Status, got, want)
			}
		}
		// A second run pays for nothing, and asks only for what may have come.
		polls := s.polls
		again, err := recognition.Run(t.Context(), cfg, sheets(6))
		if err := errors.Join(err, s.once(6)); err != nil || statuses(again) != statuses(outcomes) {
			t.Errorf("%s, %v", statuses(again), err)
		}
		if asked := s.polls - polls; asked < 2 {
			t.Errorf("asked %d times", asked)
		}
		// With Resubmit, those without answers are sent again.
		cfg.Resubmit = true
		s.SetOutcomes()
		if _, err = recognition.Run(t.Context(), cfg, sheets(6)); err != nil {
			t.Fatal(err)
		}
		want := map[string]int{"sheet 0": 1, "sheet 1": 2, "sheet 2": 2, "sheet 3": 1, "sheet 4": 2, "sheet 5": 1}
		for sheet, n := range want {
			if s.submitted[sheet] != n {
				t.Errorf("%s: %d submissions, want %d", sheet, s.submitted[sheet], n)
			}
		}
	})
}

// What the service asks to wait for is waited for once, by all, and costs nothing.
func TestWaitsAsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		answer *http.Response
		wait   time.Duration
	}{
		"429":         {says(429, http.Header{"Retry-After": {"600"}}, ""), 600 * time.Second},
		"503":         {says(503, http.Header{"Retry-After": {"20"}}, ""), 20 * time.Second},
		"a throttle":  {says(429, nil, `{"message":"Too Many Requests"}`), time.Second},
		"a problem":   {says(503, http.Header{"Retry-After": {"7"}}, `{"code":"token_unavailable","detail":"No token."}`), 7 * time.Second},
		"not reached": {says(502, nil, `{"code":"upstream_unreachable","detail":"The upstream could not be reached, or broke off. The call was not sent."}`), time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService()
			s.SetReadyAfter(time.Second)
			began, refused := time.Now(), 0
			s.answer = func(sheet string, _ *http.Request) (*http.Response, error) {
				if sheet != "" && time.Since(began) < c.wait {
					refused++
					resp := *c.answer
					resp.Body = io.NopCloser(strings.NewReader(text(t, c.answer)))
					return &resp, nil
				}
				return nil, nil
			}
			cfg := config(t, s, nil)
			var waits []time.Duration
			cfg.Waiting = func(_ string, d time.Duration) { waits = append(waits, d) }
			outcomes, err := recognition.Run(t.Context(), cfg, sheets(20))
			if err := errors.Join(err, s.once(20)); err != nil || statuses(outcomes) != "[Ok:20]" {
				t.Errorf("%s: %s %v", name, statuses(outcomes), err)
			}
			if refused != 1 || len(waits) != 1 || waits[0] != c.wait {
				t.Errorf("%s: refused %d times, waited %v", name, refused, waits)
			}
		})
	}
}

// text reads a body that is needed again.
func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body = io.NopCloser(strings.NewReader(string(data)))
	return string(data)
}

// What is wrong with every call is met once.
func TestFailsOnce(t *testing.T) {
	for name, c := range map[string]struct {
		answer *http.Response
		err    error
		want   string
	}{
		"a wrong key":       {says(403, nil, `{"message":"Forbidden"}`), nil, "the key is not taken (403)"},
		"no key":            {says(401, nil, ""), nil, "the key is not taken (401)"},
		"a page":            {says(404, nil, "<html>"), nil, "it answers 404: is the URL a relay's?"},
		"another route":     {says(404, nil, `{"code":"route_not_found","detail":"x"}`), nil, "the relay has no such route"},
		"a redirect":        {says(301, nil, ""), nil, "it answers 301: is the URL a relay's?"},
		"no such host":      {nil, syscall.ECONNREFUSED, "the service cannot be reached: connection refused"},
		"a quota":           {says(429, nil, `{"message":"Limit Exceeded"}`), nil, "the key's quota is used up"},
		"a long wait":       {says(429, http.Header{"Retry-After": {"3000"}}, ""), nil, "it answers 429, and to come back in 50m0s"},
		"a rejected token":  {says(502, nil, `{"code":"upstream_rejected_token"}`), nil, "Aspose rejects the relay's token"},
		"a payment is due":  {says(402, nil, ""), nil, "it answers 402: Aspose asks for payment"},
		"for ever at fault": {says(503, nil, `{"code":"credentials_unavailable","detail":"No secret."}`), nil, "the relay gets no token: No secret., 7 times in a row"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, calls := newService(), 0
			s.answer = func(string, *http.Request) (*http.Response, error) {
				calls++
				return c.answer, c.err
			}
			if c.answer != nil {
				body := text(t, c.answer)
				s.answer = func(string, *http.Request) (*http.Response, error) {
					calls++
					return says(c.answer.StatusCode, c.answer.Header, body), nil
				}
			}
			cfg := config(t, s, nil)
			_, err := recognition.Run(t.Context(), cfg, sheets(40))
			stopped, ok := errors.AsType[*recognition.Stopped](err)
			if !ok || !strings.HasPrefix(stopped.Reason, c.want) {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
			if limit := map[bool]int{true: 7, false: 1}[name == "for ever at fault"]; calls != limit {
				t.Errorf("%s: %d calls", name, calls)
			}
			if cfg.Journal.State("sheet 0").Intended {
				t.Errorf("%s: counts as one that may have been received", name)
			}
		})
	}
}

// A document that is refused is its own affair.
func TestRefusedSheet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.answer = func(sheet string, _ *http.Request) (*http.Response, error) {
			if sheet == "sheet 0" || sheet == "sheet 3" {
				return says(400, nil, `{"title":"One or more validation errors occurred.","errors":{"images":["Not\u001b an image."]}}`), nil
			}
			return nil, nil
		}
		cfg := config(t, s, nil)
		outcomes, err := recognition.Run(t.Context(), cfg, sheets(5))
		if err != nil || statuses(outcomes) != "[Ok:3 upstream_refused:2]" {
			t.Error(statuses(outcomes), err)
		}
		if got, want := outcomes[3].Reason(), "not taken, and not paid for: refused with 400: Not an image."; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		s.answer = nil
		outcomes, err = recognition.Run(t.Context(), cfg, sheets(5))
		if err := errors.Join(err, s.once(5)); err != nil || statuses(outcomes) != "[Ok:5]" {
			t.Errorf("once it is mended: %s, %v", statuses(outcomes), err)
		}
	})
}

// A submission that may have been received is not sent again, unless that is
// asked for.
func TestUnknownSubmission(t *testing.T) {
	for name, spoil := range map[string]func(*http.Response) (*http.Response, error){
		"the answer was lost": func(*http.Response) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"API Gateway gave up": func(*http.Response) (*http.Response, error) {
			return says(504, nil, `{"message":"Endpoint request timed out"}`), nil
		},
		"the relay lost it": func(*http.Response) (*http.Response, error) {
			return says(502, nil, `{"code":"upstream_unreachable","detail":"It broke off. It may have received the call."}`), nil
		},
		"no id": func(*http.Response) (*http.Response, error) { return says(200, nil, "<html>"), nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService()
			s.afterwards = func(sheet string, resp *http.Response) (*http.Response, error) {
				if sheet == "sheet 1" {
					return spoil(resp)
				}
				return resp, nil
			}
			cfg := config(t, s, nil)
			for range 2 {
				outcomes, err := recognition.Run(t.Context(), cfg, sheets(4))
				if err := errors.Join(err, s.once(4)); err != nil || statuses(outcomes) != "[Ok:3 submission_unknown:1]" {
					t.Errorf("%s: %s, %v", name, statuses(outcomes), err)
				}
			}
			s.afterwards, cfg.Resubmit = nil, true
			outcomes, err := recognition.Run(t.Context(), cfg, sheets(4))
			if err != nil || statuses(outcomes) != "[Ok:4]" || s.submitted["sheet 1"] != 2 || s.submitted["sheet 0"] != 1 {
				t.Errorf("%s, sent again: %s, %v, %v", name, statuses(outcomes), err, s.submitted)
			}
		})
	}
}

// When every submission is lost, three are, and not forty.
func TestUnknownSubmissionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.afterwards = func(sheet string, resp *http.Response) (*http.Response, error) {
			if sheet != "" {
				return nil, io.ErrUnexpectedEOF
			}
			return resp, nil
		}
		outcomes, err := recognition.Run(t.Context(), config(t, s, nil), sheets(40))
		if _, ok := errors.AsType[*recognition.Stopped](err); !ok || len(s.submitted) != 3 {
			t.Errorf("%v, %d submissions", err, len(s.submitted))
		}
		if statuses(outcomes) != "[:37 submission_unknown:3]" {
			t.Error(statuses(outcomes))
		}
	})
}

// A call for a result may fail: it costs nothing to make again.
func TestFetchFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		fail := 3
		s.answer = func(sheet string, _ *http.Request) (*http.Response, error) {
			if sheet == "" && fail > 0 {
				fail--
				return says(502, nil, ""), nil
			}
			return nil, nil
		}
		cfg := config(t, s, nil)
		outcomes, err := recognition.Run(t.Context(), cfg, sheets(1))
		if err := errors.Join(err, s.once(1)); err != nil || statuses(outcomes) != "[Ok:1]" {
			t.Error(statuses(outcomes), err)
		}
		cfg, fail = config(t, s, nil), 1000
		s.submitted = map[string]int{}
		if outcomes, err = recognition.Run(t.Context(), cfg, sheets(1)); err != nil || outcomes[0].Reason() != "its result could not be fetched; the same command asks again: it answers 502" {
			t.Error(outcomes, err)
		}
		fail = 0
		outcomes, err = recognition.Run(t.Context(), cfg, sheets(1))
		if err := errors.Join(err, s.once(1)); err != nil || statuses(outcomes) != "[Ok:1]" {
			t.Error(statuses(outcomes), err)
		}
	})
}

// Broken off at random, again and again, and then finished: each sheet was
// submitted once, and has its answers.
func TestInterruptedAtRandom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	s := newService()
	random := rand.New(rand.NewPCG(1, 2))
	const count = 120
	left := count
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			s.SetReadyAfter(300 * time.Millisecond)
			s.afterwards = func(_ string, resp *http.Response) (*http.Response, error) {
				time.Sleep(50 * time.Millisecond) // so that interruptions come upon calls under way
				return resp, nil
			}
			j := open(t, path)
			defer j.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(1500))*time.Millisecond)
			defer cancel()
			outcomes, err := recognition.Run(ctx, config(t, s, j), sheets(count))
			if err != nil && !errors.Is(err, recognition.ErrInterrupted) {
				t.Error(err)
			}
			left = strings.Count(statuses(outcomes), "unknown")
		})
	}
	if left != 0 {
		t.Error("an interruption that was waited for left a submission unknown")
	}
	synctest.Test(t, func(t *testing.T) {
		j := open(t, path)
		defer j.Close()
		outcomes, err := recognition.Run(t.Context(), config(t, s, j), sheets(count))
		if err := errors.Join(err, s.once(count)); err != nil || statuses(outcomes) != "[Ok:120]" {
			t.Error(statuses(outcomes), err)
		}
	})
}

// An interruption waits for a submission under way, and not for ever.
func TestInterruptionIsPatient(t *testing.T) {
	for took, want := range map[time.Duration]string{20 * time.Second: "task", time.Hour: "unknown"} {
		synctest.Test(t, func(t *testing.T) {
			s := newService()
			s.afterwards = func(_ string, resp *http.Response) (*http.Response, error) {
				select {
				case <-time.After(took):
					return resp, nil
				case <-resp.Request.Context().Done():
					return nil, resp.Request.Context().Err()
				}
			}
			cfg := config(t, s, nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			_, err := recognition.Run(ctx, cfg, sheets(3))
			if !errors.Is(err, recognition.ErrInterrupted) || time.Since(began) != min(took, 31*time.Second) {
				t.Errorf("%v: %v after %v", took, err, time.Since(began))
			}
			state := cfg.Journal.State("") // of the sheet that went first, whichever it was
			for sheet := range s.submitted {
				state = cfg.Journal.State(sheet)
			}
			if got := map[bool]string{true: "task", false: "unknown"}[state.Task != ""]; !state.Intended || got != want || len(s.submitted) != 1 {
				t.Errorf("%v: %+v, %v", took, state, s.submitted)
			}
		})
	}
}

// A disk that is full ends the run before anything is sent, or names the task
// that it cannot keep.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		j := open(t, filepath.Join(t.TempDir(), "j"))
		if err := j.Close(); err != nil { // which fails every write from now on
			t.Fatal(err)
		}
		_, err := recognition.Run(t.Context(), config(t, s, j), sheets(4))
		if err == nil || !strings.HasPrefix(err.Error(), "writing the journal: ") || len(s.submitted) != 0 {
			t.Errorf("%v, %d submissions", err, len(s.submitted))
		}
		j = open(t, filepath.Join(t.TempDir(), "j"))
		s.afterwards = func(_ string, resp *http.Response) (*http.Response, error) {
			_ = j.Close()
			return resp, nil
		}
		_, err = recognition.Run(t.Context(), config(t, s, j), sheets(4))
		if err == nil || !strings.HasPrefix(err.Error(), "task ") || !strings.Contains(err.Error(), " was submitted and paid for, and is not recorded: ") || len(s.submitted) != 1 {
			t.Errorf("%v, %d submissions", err, len(s.submitted))
		}
	})
}

// The answers are the service's, in the format asked for.
func TestFormats(t *testing.T) {
	for format, want := range map[omr.Format]string{omr.CSV: "Question1,\"A\"", omr.JSON: `"Value":"A"`, omr.XML: `<Element name="Question1">A</Element>`} {
		synctest.Test(t, func(t *testing.T) {
			cfg := config(t, newService(), nil)
			cfg.Format = format
			if outcomes, err := recognition.Run(t.Context(), cfg, sheets(1)); err != nil || !outcomes[0].Answered || outcomes[0].Blank {
				t.Error(outcomes, err)
			}
			if r, err := cfg.Journal.Result("sheet 0"); err != nil || !strings.Contains(string(r.Data), want) {
				t.Errorf("%s: %q, %v", format, r.Data, err)
			}
		})
	}
}
