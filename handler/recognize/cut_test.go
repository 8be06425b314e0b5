package recognize_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
)

// hang waits for the invocation's end, as a call without an answer does.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// wantWaiting checks an answer that says where the results will be: in time,
// with every task in it.
func wantWaiting(t *testing.T, r *rig, got reply, tasks int) (id string) {
	t.Helper()
	if got.status != 202 || got.took > invocation || len(got.record.Tasks) != tasks {
		t.Fatalf("%v, want 202 with %d tasks", got, tasks)
	}
	id = strings.TrimPrefix(got.header.Get("Location"), "recognize/")
	r.on(nil)
	later := r.get(t, id)
	// The stand-in counts polls for each task, as if they were not in one queue.
	for range 2 {
		if later.status == 202 {
			later = r.get(t, id)
		}
	}
	if ready := strings.Count(later.body, "SAMPLE"); later.status != 200 || ready != tasks {
		t.Errorf("later %v: %d rows with data, want %d", later, ready, tasks)
	}
	return id
}

// TestCuts is each place where a request can be cut off, for one scan, two and
// the most. Whatever fails, no submitted task is lost.
func TestCuts(t *testing.T) {
	for _, count := range []int{1, 2, 40} {
		t.Run(fmt.Sprint("submitting ", count), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.on(func(call, n int, req *http.Request) (*http.Response, error) {
					if call == submission && n == count {
						return hang(req)
					}
					return nil, nil
				})
				got := r.post(t, form(scansForm(count)))
				r.wantCalls(t, count, int(r.polls.Load()))
				if got.took > invocation {
					t.Errorf("it took %v", got.took)
				}
				if count == 1 {
					wantProblem(t, got, problem.UpstreamTimeout, "It may have received the call.")
					return
				}
				id := wantWaiting(t, r, got, count-1)
				if later := r.get(t, id); strings.Count(later.body, ",submission_unknown,") != 1 {
					t.Errorf("later: %v", later)
				}
			})
		})
		t.Run(fmt.Sprint("submitting slowly ", count), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.on(func(call, _ int, _ *http.Request) (*http.Response, error) {
					if call == submission {
						time.Sleep(3 * time.Second)
					}
					return nil, nil
				})
				got := r.post(t, form(scansForm(count)))
				submitted := min(count, 28) // four at a time, until 4 s before the end
				r.wantCalls(t, submitted, int(r.polls.Load()))
				if count < 40 {
					if got.status != 200 {
						t.Errorf("%v", got)
					}
					return
				}
				id := strings.TrimPrefix(got.header.Get("Location"), "recognize/")
				if later := r.get(t, id); later.status != 200 || strings.Count(later.body, ",not_submitted,") != count-submitted || strings.Count(later.body, ",Ok,") != submitted {
					t.Errorf("%v, later %v", got, later)
				}
			})
		})
		t.Run(fmt.Sprint("between polls ", count), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.Aspose.SetReadyAfter(time.Minute)
				got := r.post(t, form(scansForm(count)))
				polls := int(r.polls.Load())
				if got.status != 202 || polls > 10*4+count || got.took > invocation-time.Second {
					t.Errorf("%v after %d polls", got, polls)
				}
				if got.header.Get("Retry-After") == "" || got.header.Get("Omr-Status") != "NotReady" {
					t.Errorf("header %v", got.header)
				}
				time.Sleep(time.Minute)
				wantWaiting(t, r, got, count)
				r.wantCalls(t, count, polls+count)
			})
		})
		t.Run(fmt.Sprint("asking ", count), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.on(func(call, n int, req *http.Request) (*http.Response, error) {
					if call == poll && n > count {
						return hang(req)
					}
					return nil, nil
				})
				wantWaiting(t, r, r.post(t, form(scansForm(count))), count)
			})
		})
		t.Run(fmt.Sprint("reading the last answer ", count), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.on(func(call, n int, req *http.Request) (*http.Response, error) {
					if call == poll && n == 2*count {
						resp, _ := respond(200, "")
						resp.Body = slowBody{req}
						return resp, nil
					}
					return nil, nil
				})
				wantWaiting(t, r, r.post(t, form(scansForm(count))), count)
			})
		})
		t.Run(fmt.Sprint("no time at all ", count), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				got := invoke(t, 0, r.recognizer.Post, form(scansForm(count)))
				if got.err == nil || len(got.record.Tasks) > 0 {
					t.Errorf("%v", got)
				}
			})
		})
		t.Run(fmt.Sprint("upstream down after submitting ", count), func(t *testing.T) {
			for _, down := range []func() (*http.Response, error){
				func() (*http.Response, error) { return nil, errNotTaken },
				func() (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
				func() (*http.Response, error) { return respond(503, "", "Retry-After", "2") },
				func() (*http.Response, error) { return respond(429, "", "Retry-After", "600") },
				func() (*http.Response, error) { return respond(402, "") },
				func() (*http.Response, error) { return respond(200, "<html>") },
				func() (*http.Response, error) { return respond(401, "") },
				func() (*http.Response, error) { panic("canary") },
			} {
				inBubble(t, func(t *testing.T, r *rig) {
					r.on(func(call, _ int, _ *http.Request) (*http.Response, error) {
						if call == poll {
							return down()
						}
						return nil, nil
					})
					got := r.post(t, form(scansForm(count)))
					if polls := int(r.polls.Load()); polls > 3*4 {
						t.Errorf("%d polls", polls)
					}
					if got.record.WaitErr == nil {
						t.Error("the log does not know why")
					}
					// Who asks later while it is down is told what is wrong.
					later := r.get(t, strings.TrimPrefix(got.header.Get("Location"), "recognize/"))
					if later.status == 202 || later.status == 200 && count == 1 {
						t.Errorf("later, %v", later)
					}
					time.Sleep(time.Hour) // the token path has its own pauses after a rejection
					wantWaiting(t, r, got, count)
				})
			}
		})
		t.Run(fmt.Sprint("401 in the middle ", count), func(t *testing.T) {
			for _, when := range []int{submission, poll} {
				inBubble(t, func(t *testing.T, r *rig) {
					rejected := ""
					r.on(func(call, n int, req *http.Request) (*http.Response, error) {
						if call == when && n == 1 {
							r.mu.Lock()
							rejected = req.Header.Get("Authorization")
							r.mu.Unlock()
						}
						r.mu.Lock()
						defer r.mu.Unlock()
						if call != mint && req.Header.Get("Authorization") == rejected {
							return respond(401, "")
						}
						return nil, nil
					})
					got := r.post(t, form(scansForm(count)))
					if got.status != 200 || strings.Count(got.body, "SAMPLE") != count || got.record.Token != callrecord.Repair || r.mints.Load() != 2 {
						t.Errorf("%v, %d mints", got, r.mints.Load())
					}
					// Nothing more than what was rejected is sent again.
					if s, p := int(r.submissions.Load()), int(r.polls.Load()); s > count+4 || p > 2*count+4 || s+p > 3*count+4 {
						t.Errorf("%d submissions and %d polls", s, p)
					}
				})
			}
		})
		t.Run(fmt.Sprint("a wait of 0 ", count), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.Aspose.SetNotReady(0)
				got := r.post(t, form(scansForm(count), "Prefer", "wait=0"))
				r.wantCalls(t, count, 0)
				if got.took != 0 {
					t.Errorf("it took %v", got.took)
				}
				wantWaiting(t, r, got, count)
				r.wantCalls(t, count, count)
			})
		})
	}
}

// slowBody never comes.
type slowBody struct{ req *http.Request }

func (b slowBody) Read([]byte) (int, error) {
	<-b.req.Context().Done()
	return 0, b.req.Context().Err()
}

func (slowBody) Close() error { return nil }

// Of tasks whose id is known, the upstream's refusal is the answer to whoever
// asks; in a table it is a row.
func TestFetchRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		one := r.post(t, form(scansForm(1), "Prefer", "wait=0")).record.Tasks[0]
		several := strings.TrimPrefix(r.post(t, form(scansForm(3), "Prefer", "wait=0")).header.Get("Location"), "recognize/")
		r.on(func(call, _ int, _ *http.Request) (*http.Response, error) {
			if call == poll {
				return respond(400, "no such id")
			}
			return nil, nil
		})
		if got := r.get(t, one); got.status != 400 || got.body != "no such id" {
			t.Errorf("%v", got)
		}
		r.wantCalls(t, 4, 1)
		if got := r.get(t, several); got.status != 200 || strings.Count(got.body, ",upstream_refused") != 3 {
			t.Errorf("%v", got)
		}
		r.wantCalls(t, 4, 4)
	})
}

// A sheet that stays in the queue keeps no other from being asked for.
func TestOneStaysBehind(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var stuck string
		r.on(func(call, n int, req *http.Request) (*http.Response, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			id := req.URL.Query().Get("id")
			if call == poll && n == 1 {
				stuck = id
			}
			if call == poll && id == stuck {
				return respond(200, `{"responseStatusCode":"NotReady"}`)
			}
			return nil, nil
		})
		got := r.post(t, form(scansForm(40)))
		if got.status != 202 || !strings.Contains(got.body, `"ready":39`) || !strings.Contains(got.body, `"images":40`) {
			t.Errorf("%v", got)
		}
		if polls := int(r.polls.Load()); polls > 79+12 {
			t.Errorf("%d polls", polls)
		}
	})
}

// A queue that works on one sheet after another is not asked for all of them
// over and over.
func TestQueueInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ready := map[string]time.Time{}
		began := time.Now()
		r.on(func(call, _ int, req *http.Request) (*http.Response, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			id := req.URL.Query().Get("id")
			if call != poll {
				return nil, nil
			}
			if _, known := ready[id]; !known {
				ready[id] = began.Add(time.Duration(len(ready)+1) * 400 * time.Millisecond)
			}
			if time.Now().Before(ready[id]) {
				return respond(200, `{"responseStatusCode":"NotReady"}`)
			}
			return respond(200, `{"responseStatusCode":"Ok","results":[{"type":"Csv","data":"RWxlbWVudCBOYW1lLFZhbHVlLApRMSwiQSIK"}]}`)
		})
		got := r.post(t, form(scansForm(40)))
		rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
		if err != nil || got.status != 200 || len(rows) != 41 {
			t.Fatalf("%v: %v", got, err)
		}
		t.Logf("%d polls for 40 sheets, %v", r.polls.Load(), got.took)
		if polls := int(r.polls.Load()); polls > 130 || got.took > 20*time.Second {
			t.Errorf("%d polls, after %v; the last was ready after 16s", polls, got.took)
		}
	})
}

// A cancel that fails says so.
func TestDelete(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		id := r.post(t, form(scansForm(1))).record.Tasks[0]
		if got := r.delete(t, id); got.status != 204 || got.body != "" {
			t.Errorf("%v", got)
		}
		wantProblem(t, r.get(t, id), problem.TaskNotFound, "")
		r.on(func(int, int, *http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
		wantProblem(t, r.delete(t, id), problem.UpstreamUnreachable, "may have received")
		for _, none := range []string{"", "1~", "1~AAAA", "..", "a b", "2~AAAA", strings.Repeat("a", 65)} {
			wantProblem(t, r.delete(t, none), problem.TaskNotFound, "no task")
			wantProblem(t, r.get(t, none), problem.TaskNotFound, "no task")
		}
	})
}

// What was panicked with is shown to nobody.
func TestPanicIsNoAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.on(func(int, int, *http.Request) (*http.Response, error) { panic(errors.New("canary")) })
		got := r.post(t, form(scansForm(1)))
		wantProblem(t, got, problem.Internal, "")
		if strings.Contains(got.err.Error(), "canary") {
			t.Error(got.err)
		}
	})
}
