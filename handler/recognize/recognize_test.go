package recognize_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

// TestOneCall is what the package is for.
func TestOneCall(t *testing.T) {
	for name, tt := range map[string]struct {
		body     []byte
		header   []string
		fields   []field
		wantType string
		begins   string
	}{
		"form":             {fields: scansForm(1), wantType: "text/csv; charset=utf-8", begins: "Element Name,Value"},
		"form as JSON":     {fields: scansForm(1, field{name: "format", value: "json"}), wantType: "application/json", begins: `{"Note"`},
		"form as XML":      {fields: scansForm(1, field{name: "OutputFormat", value: " Xml "}), wantType: "application/xml", begins: "<?xml"},
		"form, Accept":     {fields: scansForm(1), header: []string{"Accept", "application/json;q=0.9, text/csv;q=0.5"}, wantType: "application/json", begins: `{"Note"`},
		"format before it": {fields: scansForm(1, field{name: "format", value: "CSV"}), header: []string{"Accept", "application/json"}, wantType: "text/csv; charset=utf-8", begins: "Element"},
		"task":             {body: taskJSON(1, nil), wantType: "text/csv; charset=utf-8", begins: "Element Name,Value"},
		"task, upper case": {body: []byte(strings.NewReplacer(`"images"`, `"Images"`, `"omrFile"`, `"OmrFile"`).Replace(
			string(taskJSON(1, map[string]any{"OutputFormat": "JSON", "RecognitionThreshold": 100})))), wantType: "application/json", begins: `{"Note"`},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.Aspose.Record(10)
				req := request(tt.body, append(tt.header, "Content-Type", "application/json; charset=utf-8")...)
				if tt.fields != nil {
					req = form(tt.fields, tt.header...)
				}
				got := r.post(t, req)
				if got.status != http.StatusOK || got.header.Get("Content-Type") != tt.wantType || !strings.HasPrefix(got.body, tt.begins) ||
					got.header.Get("Omr-Status") != "Ok" || got.header.Get("Cache-Control") != "no-store" {
					t.Errorf("answer %v", got)
				}
				if id := got.record.Tasks[0]; got.header.Get("Content-Location") != "recognize/"+id || len(got.record.Tasks) != 1 {
					t.Errorf("task %q is at %q", id, got.header.Get("Content-Location"))
				}
				r.wantCalls(t, 1, 2)
				if got.record.Billable != 1 || got.record.Polls != 2 || got.record.UpstreamCalls != 3 || r.mints.Load() != 1 {
					t.Errorf("record %+v", got.record)
				}
				var sent struct {
					Images  [][]byte
					OmrFile []byte
				}
				if err := json.Unmarshal(r.Aspose.Requests()[0].Body, &sent); err != nil || len(sent.Images) != 1 ||
					string(sent.Images[0]) != scan(0) || string(sent.OmrFile) != patternText() {
					t.Errorf("the upstream got %s, %v", r.Aspose.Requests()[0].Body, err)
				}
			})
		})
	}
}

// What of the caller's header goes on, and nothing else.
func TestForwardedHeaders(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.Aspose.Record(10)
		r.post(t, form(scansForm(1), "User-Agent", "mine", "X-Aspose-Client", "c", "Traceparent", "00-1", "Accept-Language", "de", "Tracestate", "no",
			"Connection", "close, tracestate", "X-Aspose-Bad", "a\nb", "Authorization", "Bearer canary", "Cookie", "canary", "If-None-Match", "*",
			"Prefer", "wait=20", "Range", "bytes=0-1", "X-Api-Key", "canary", "X-Forwarded-For", "canary", "Content-Encoding", "identity"))
		for _, sent := range r.Aspose.Requests() {
			var names []string
			for name := range sent.Header {
				names = append(names, name)
			}
			slices.Sort(names)
			want := []string{"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Content-Type", "Traceparent", "User-Agent", "X-Aspose-Client"}
			if sent.Method == http.MethodGet {
				want = slices.DeleteFunc(want, func(name string) bool { return name == "Content-Type" })
			}
			if !slices.Equal(names, want) || strings.Contains(fmt.Sprint(sent.Header), "canary") {
				t.Errorf("%s: %v", sent.Method, sent.Header)
			}
		}
	})
}

// TestStatuses is each that the upstream has for a task, and some that it should
// not have, for one scan.
func TestStatuses(t *testing.T) {
	for _, tt := range []struct {
		outcome sandbox.Outcome
		status  int
		code    problem.Code
		detail  string
	}{
		{sandbox.Outcome{Status: "Ok"}, 200, "", ""},
		{sandbox.Outcome{Status: "PartiallyNotFound", Data: true}, 200, "", ""},
		{sandbox.Outcome{Status: "PartiallyNotFound"}, 0, problem.RecognitionEmpty, "found nothing"},
		{sandbox.Outcome{Status: "NoAnyResultData"}, 0, problem.RecognitionEmpty, "found nothing"},
		{sandbox.Outcome{Status: "Error", Messages: []string{"No markers."}}, 0, problem.RecognitionFailed, "would cost again"},
		{sandbox.Outcome{Status: "ResultDataLost"}, 0, problem.ResultLost, "has lost"},
		{sandbox.Outcome{Status: "TaskNotFound"}, 0, problem.TaskNotFound, "24 hours"},
		{sandbox.Outcome{Status: "NotReady"}, 202, "", ""},
		{sandbox.Outcome{Status: "Processing"}, 202, "", ""},
		{sandbox.Outcome{Status: "NotFound"}, 202, "", ""},
		{sandbox.Outcome{Status: "<what>"}, 202, "", ""},
	} {
		t.Run(tt.outcome.Status, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.Aspose.SetOutcomes(tt.outcome)
				got := r.post(t, form(scansForm(1)))
				word := tt.outcome.Status
				if word == "<what>" {
					word = "unknown"
				}
				if len(got.record.Tasks) != 1 {
					t.Fatalf("%v", got)
				}
				if tt.code != "" {
					wantProblem(t, got, tt.code, tt.detail)
					if got.err.Header.Get("Omr-Status") != word || !slices.Equal(got.err.Messages, tt.outcome.Messages) || strings.Contains(got.err.Error(), "markers.") {
						t.Errorf("header %v, messages %q, text %q", got.err.Header, got.err.Messages, got.err)
					}
				} else if got.status != tt.status || got.header.Get("Omr-Status") != word {
					t.Errorf("%v", got)
				}
				// Later it is the same.
				later := r.get(t, got.record.Tasks[0], "Prefer", "wait=0")
				if later.status != tt.status || later.err != nil != (tt.code != "") || later.err != nil && later.err.Code != tt.code {
					t.Errorf("later: %v", later)
				}
				if got.status == 202 {
					if got.header.Get("Location") != "recognize/"+got.record.Tasks[0] || later.header.Get("Location") != got.record.Tasks[0] {
						t.Errorf("it is at %q, later at %q", got.header.Get("Location"), later.header.Get("Location"))
					}
					if got.took < 20*time.Second || got.took > invocation-time.Second {
						t.Errorf("it was waited for for %v", got.took)
					}
					if polls := int(r.polls.Load()); polls < 5 || polls > 12 {
						t.Errorf("%d polls", polls)
					}
				}
			})
		})
	}
}

// A scan that is ready in three seconds takes one call to ask for it, once that
// is known.
func TestPaceIsLearned(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.Aspose.SetReadyAfter(3 * time.Second)
		total := 0
		for i := range 20 {
			before := r.polls.Load()
			if got := r.post(t, form(scansForm(1))); got.status != 200 || got.took > 5*time.Second {
				t.Fatalf("%v", got)
			}
			if i > 0 {
				total += int(r.polls.Load() - before)
			}
		}
		if total > 19*3/2 {
			t.Errorf("%d polls for 19 scans", total)
		}
	})
}

// Prefer: wait=N, and what it does to the calls.
func TestPrefer(t *testing.T) {
	for _, tt := range []struct {
		prefer  string
		applied string
		status  int
		took    time.Duration // at most
		polls   int
	}{
		{"wait=0", "wait=0", 202, 0, 0},
		{"respond-async", "wait=0", 202, 0, 0},
		{"wait=2", "wait=2", 202, 2 * time.Second, 2},
		{`respond-async, WAIT="9"; x=y`, "wait=9", 200, 9 * time.Second, 5},
		{"wait=600", "wait=23", 200, 9 * time.Second, 5},
		{"wait=-1", "", 200, 9 * time.Second, 5},
		{"wait=soon", "", 200, 9 * time.Second, 5},
		{"handling=lenient", "", 200, 9 * time.Second, 5},
	} {
		t.Run(tt.prefer, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.Aspose.SetReadyAfter(6 * time.Second)
				got := r.post(t, form(scansForm(1), "Prefer", tt.prefer))
				if got.status != tt.status || got.took > tt.took || int(r.polls.Load()) > tt.polls || got.header.Get("Preference-Applied") != tt.applied {
					t.Errorf("%v, %d polls", got, r.polls.Load())
				}
				if got.status != 202 {
					return
				}
				if got.header.Get("Retry-After") == "" || len(got.record.Tasks) != 1 {
					t.Errorf("%v", got)
				}
				id := strings.TrimPrefix(got.header.Get("Location"), "recognize/")
				if later := r.get(t, id); later.status != 200 || later.header.Get("Content-Location") != id || later.took > 9*time.Second {
					t.Errorf("later: %v", later)
				}
				r.wantCalls(t, 1, int(r.polls.Load()))
			})
		})
	}
	inBubble(t, func(t *testing.T, r *rig) {
		r.Aspose.SetNotReady(9)
		got := r.post(t, form(scansForm(1), "Prefer", "wait=0"))
		id := got.record.Tasks[0]
		if later := r.get(t, id, "Prefer", "wait=0"); later.status != 202 || later.took != 0 || r.polls.Load() != 1 {
			t.Errorf("asked once: %v, %d polls", later, r.polls.Load())
		}
	})
}

// TestSeveral is a table of one row a scan, in the order of the request.
func TestSeveral(t *testing.T) {
	for _, count := range []int{2, 40} {
		inBubble(t, func(t *testing.T, r *rig) {
			got := r.post(t, form(scansForm(count)))
			rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
			if err != nil || got.status != 200 || len(rows) != count+1 || got.header.Get("Omr-Status") != "Ok" {
				t.Fatalf("%v: %v", got, err)
			}
			if head := strings.Join(rows[0], ","); head != "image,status,NOTE,Question1,Question2,Question3" {
				t.Errorf("columns %s", head)
			}
			for i, row := range rows[1:] {
				if want := fmt.Sprintf("%d.jpg,Ok,", i+1); !strings.HasPrefix(strings.Join(row, ","), want) || !strings.HasPrefix(row[2], "SAMPLE") || row[3] != "A" {
					t.Errorf("row %q", row)
				}
			}
			r.wantCalls(t, count, 2*count)
			if len(got.record.Tasks) != count || got.record.Billable != count || got.record.Polls != 2*count || r.mints.Load() != 1 {
				t.Errorf("record %+v", got.record)
			}
			// The same again, by its id; names are not kept.
			id := strings.TrimPrefix(got.header.Get("Content-Location"), "recognize/")
			later := r.get(t, id)
			again, _ := csv.NewReader(strings.NewReader(later.body)).ReadAll()
			if later.status != 200 || len(again) != count+1 || again[1][0] != "1" || !slices.Equal(again[count][1:], rows[count][1:]) || strings.Contains(id, "jpg") {
				t.Errorf("later: %v", later)
			}
			if later.header.Get("Content-Location") != id {
				t.Errorf("later at %q", later.header.Get("Content-Location"))
			}
			r.wantCalls(t, count, 3*count)
			if gone := r.delete(t, id); gone.status != 204 || int(r.cancels.Load()) != count {
				t.Errorf("cancelled: %v, %d calls", gone, r.cancels.Load())
			}
			if lost := r.get(t, id); lost.status != 200 || lost.header.Get("Omr-Status") != "TaskNotFound" {
				t.Errorf("after that: %v", lost)
			}
		})
	}
}

// A sheet that fails loses no other, and the order stays.
func TestSeveralFates(t *testing.T) {
	outcomes := []sandbox.Outcome{{}, {Status: "Error", Messages: []string{"No markers."}}, {Status: "NoAnyResultData"}, {Status: "PartiallyNotFound", Data: true},
		{Status: "ResultDataLost"}, {Status: "TaskNotFound"}, {}}
	want := "Ok,Error,NoAnyResultData,PartiallyNotFound,ResultDataLost,TaskNotFound,Ok"
	t.Run("CSV", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			r.Aspose.SetOutcomes(outcomes...) // in the order of their arrival, which is nearly that of the request
			got := r.post(t, form(scansForm(len(outcomes))))
			rows, _ := csv.NewReader(strings.NewReader(got.body)).ReadAll()
			var statuses []string
			for _, row := range rows[1:] {
				statuses = append(statuses, row[1])
				if hasData := row[3] != ""; hasData != (row[1] == "Ok" || row[1] == "PartiallyNotFound") {
					t.Errorf("row %q", row)
				}
			}
			wanted := strings.Split(want, ",")
			slices.Sort(wanted)
			slices.Sort(statuses)
			if got.status != 200 || !slices.Equal(statuses, wanted) {
				t.Errorf("%v: statuses %q", got, statuses)
			}
		})
	})
	t.Run("JSON", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			r.Aspose.SetOutcomes(outcomes...) // in the order of their arrival, which is nearly that of the request
			got := r.post(t, form(scansForm(len(outcomes), field{name: "format", value: "JSON"})))
			var entries []struct {
				Image, Status string
				Result        *struct{ Note string }
				Messages      []string
			}
			if err := json.Unmarshal([]byte(got.body), &entries); err != nil || len(entries) != len(outcomes) || got.header.Get("Content-Type") != "application/json" {
				t.Fatalf("%v: %v", got, err)
			}
			for i, e := range entries {
				good := e.Status == "Ok" || e.Status == "PartiallyNotFound"
				if e.Image != fmt.Sprintf("%d.jpg", i+1) || (e.Result != nil) != good || (len(e.Messages) > 0) != (e.Status == "Error") {
					t.Errorf("entry %+v", e)
				}
			}
		})
	})
}

// A submission that is refused is a row, if it is that scan's own fault; if it
// would be the next one's as well, no more are sent.
func TestSeveralSubmissionsFail(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answer   func(n int) (*http.Response, error)
		statuses map[string]int
		atMost   int // submissions
	}{
		{"one is refused", func(n int) (*http.Response, error) {
			if n == 3 {
				return respond(400, "no")
			}
			return nil, nil
		}, map[string]int{"Ok": 39, "upstream_refused": 1}, 40},
		{"the credit ends", func(n int) (*http.Response, error) {
			if n > 6 {
				return respond(402, "no")
			}
			return nil, nil
		}, map[string]int{"Ok": 6, "not_submitted": 34}, 10},
		{"one is lost on its way", func(n int) (*http.Response, error) {
			if n == 6 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, nil
		}, map[string]int{"submission_unknown": 1}, 10},
		{"connections end", func(n int) (*http.Response, error) {
			if n == 6 {
				return nil, errNotTaken
			}
			return nil, nil
		}, map[string]int{"submission_unknown": 0}, 10},
		{"one panics", func(n int) (*http.Response, error) {
			if n == 6 {
				panic("canary")
			}
			return nil, nil
		}, map[string]int{"submission_unknown": 1}, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.on(func(call, n int, _ *http.Request) (*http.Response, error) {
					if call == submission {
						return tt.answer(n)
					}
					return nil, nil
				})
				got := r.post(t, form(scansForm(40)))
				rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
				if err != nil || got.status != 200 || len(rows) != 41 {
					t.Fatalf("%v: %v", got, err)
				}
				counts := map[string]int{}
				for _, row := range rows[1:] {
					counts[row[1]]++
				}
				for status, want := range tt.statuses {
					if counts[status] != want {
						t.Errorf("%d rows are %s, want %d: %v", counts[status], status, want, counts)
					}
				}
				if n := int(r.submissions.Load()); n > tt.atMost || len(got.record.Tasks) != counts["Ok"] {
					t.Errorf("%d submissions, %d tasks, rows %v", n, len(got.record.Tasks), counts)
				}
				// By its id it is the same.
				later := r.get(t, strings.TrimPrefix(got.header.Get("Content-Location"), "recognize/"))
				for status, want := range counts {
					if n := strings.Count(later.body, ","+status+","); n != want {
						t.Errorf("later %d rows are %s, want %d", n, status, want)
					}
				}
			})
		})
	}
}

// If none was submitted, that is the answer: of one scan and of several.
func TestNothingSubmitted(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func() (*http.Response, error)
		status int
		code   problem.Code
		detail string
	}{
		{"refused", func() (*http.Response, error) {
			return respond(400, `{"errors":{}}`, "Content-Type", "application/problem+json")
		}, 400, "", ""},
		{"too many", func() (*http.Response, error) { return respond(429, "", "Retry-After", "7") }, 429, "", ""},
		{"down", func() (*http.Response, error) { return respond(503, "") }, 503, "", ""},
		{"a status that is none", func() (*http.Response, error) { return respond(199, "") }, 0, problem.UpstreamInvalidAnswer, "cannot be"},
		{"no id", func() (*http.Response, error) { return respond(200, "<html>") }, 0, problem.UpstreamInvalidAnswer, "may have received"},
		{"no connection", func() (*http.Response, error) { return nil, errNotTaken }, 0, problem.UpstreamUnreachable, "was not sent"},
		{"broken off", func() (*http.Response, error) { return nil, io.ErrUnexpectedEOF }, 0, problem.UpstreamUnreachable, "may have received"},
		{"401, and again", func() (*http.Response, error) { return respond(401, "") }, 0, problem.UpstreamRejectedToken, ""},
		{"a panic", func() (*http.Response, error) { panic("canary") }, 0, problem.Internal, ""},
	} {
		for _, count := range []int{1, 2, 40} {
			t.Run(fmt.Sprint(tt.name, " of ", count), func(t *testing.T) {
				inBubble(t, func(t *testing.T, r *rig) {
					r.on(func(call, _ int, _ *http.Request) (*http.Response, error) {
						if call == submission {
							return tt.answer()
						}
						return nil, nil
					})
					got := r.post(t, form(scansForm(count)))
					if tt.code != "" {
						wantProblem(t, got, tt.code, tt.detail)
					} else if got.status != tt.status {
						t.Errorf("%v", got)
					}
					if tt.status == 429 && got.header.Get("Retry-After") != "7" || tt.status == 400 && got.header.Get("Content-Type") != "application/problem+json" {
						t.Errorf("header %v", got.header)
					}
					if len(got.record.Tasks) > 0 || r.polls.Load() > 0 {
						t.Errorf("record %+v", got.record)
					}
				})
			})
		}
	}
	// Of several failures, the one that may have cost something.
	inBubble(t, func(t *testing.T, r *rig) {
		r.on(func(call, n int, _ *http.Request) (*http.Response, error) {
			switch {
			case call != submission:
				return nil, nil
			case n == 2:
				return nil, io.ErrUnexpectedEOF
			default:
				return respond(400, "")
			}
		})
		wantProblem(t, r.post(t, form(scansForm(3))), problem.UpstreamUnreachable, "may have received")
	})
	inBubble(t, func(t *testing.T, r *rig) {
		r.Token.Accept("another", "secret")
		wantProblem(t, r.post(t, form(scansForm(40))), problem.TokenUnavailable, "")
		r.wantCalls(t, 0, 0)
	})
}

// TestNamesOfFiles: what a name has in it neither breaks a row nor makes bytes of
// the table.
func TestNamesOfFiles(t *testing.T) {
	long := strings.Repeat("é", 300)
	for sent, want := range map[string]string{
		`a%22b.jpg`:        `a"b.jpg`,
		"caf\xe9.jpg":      "caf\ufffd.jpg",
		`=1+1`:             `'=1+1`,
		`..\\x/-1.jpg`:     `'-1.jpg`,
		long:               long,
		"a, b;c.jpg":       "a, b;c.jpg",
		"100%25%0D%0A.jpg": "100%25%0D%0A.jpg",
	} {
		inBubble(t, func(t *testing.T, r *rig) {
			got := r.post(t, form([]field{{"image", sent, scan(0)}, {"image", "b.jpg", scan(1)}, {"pattern", "p.omr", patternText()}}))
			rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
			if err != nil || len(rows) != 3 || rows[1][0] != want || !utf8.ValidString(got.body) {
				t.Errorf("%q: %v, %v", sent, got, err)
			}
		})
	}
}

// TestBrowsersAccept: a browser would rather have XML than what it does not know.
func TestBrowsersAccept(t *testing.T) {
	const accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for images, want := range map[int]string{1: "application/xml", 2: "text/csv; charset=utf-8; header=present"} {
		inBubble(t, func(t *testing.T, r *rig) {
			if got := r.post(t, form(scansForm(images), "Accept", accept)); got.status != 200 || got.header.Get("Content-Type") != want {
				t.Errorf("%d images: %v", images, got)
			}
		})
	}
}
