package batches_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/handler/batches"
	"omr-relay/internal/problem"
)

// TestGet: what is told of a batch in each of its states.
func TestGet(t *testing.T) {
	w := newWorld()
	id := w.post(t, request(one, ordered(`,"name":"7b"`, upload(1)))).ID
	r := w.get(t, one, id)
	if r.status != 200 || r.Status != "running" || r.ID != id || r.Name != "7b" || r.Started == "" || r.Ended != "" || r.Sheets != nil || r.Results != nil ||
		r.header.Get("Retry-After") != "10" || r.batch != id {
		t.Errorf("%+v", r)
	}
	counts := batches.Counts{Total: 30, Done: 10, Running: 5, Waiting: 15}
	w.runs[w.order[0]].Sheets = counts
	if r = w.get(t, one, id); r.Sheets == nil || *r.Sheets != counts {
		t.Errorf("%+v", r)
	}
	for name, tt := range map[string]struct {
		of   batches.Execution
		want func(reply) bool
	}{
		"succeeded": {batches.Execution{Status: batches.Succeeded, Sheets: counts, Output: `{"sheets":31,"answered":29,"exceptions":2}`}, func(r reply) bool {
			prefix := "https://bucket.test/batches/" + one.Digest() + "/" + id + "/results/"
			return *r.Answered == 29 && *r.Exceptions == 2 && *r.Sheets == batches.Counts{Total: 31, Done: 31} && reflect.DeepEqual(r.Results, map[string]string{
				"answers.csv": prefix + "answers.csv?as=answers.csv&signed", "answers.jsonl": prefix + "answers.jsonl?as=answers.jsonl&signed", "exceptions.csv": prefix + "exceptions.csv?as=exceptions.csv&signed",
			})
		}},
		"without exceptions": {batches.Execution{Status: batches.Succeeded, Output: `{"sheets":1,"answered":1}`}, func(r reply) bool {
			return *r.Answered == 1 && *r.Exceptions == 0 && len(r.Results) == 3
		}},
		"failed":  {batches.Execution{Status: batches.Failed, Error: "States.Timeout", Sheets: counts}, func(r reply) bool { return r.Error == "States.Timeout" && *r.Sheets == counts }},
		"odd":     {batches.Execution{Status: batches.Failed, Error: "a name: Anna 7b"}, func(r reply) bool { return r.Error == "Failed" }},
		"stopped": {batches.Execution{Status: batches.Stopped, Error: "Stopped"}, func(reply) bool { return true }},
	} {
		tt.of.Ended = time.Now()
		w.runs[w.order[0]] = &tt.of
		r := w.get(t, one, id)
		if r.status != 200 || r.Status != string(tt.of.Status) || r.Ended == "" || r.header.Get("Retry-After") != "" || r.Name != "7b" || !tt.want(r) {
			t.Errorf("%s: %+v", name, r)
		}
		if tt.of.Status != batches.Succeeded && (r.Results != nil || r.Answered != nil) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestNotFound: another caller's batch is none, nor is what cannot be one, which is
// not asked for.
func TestNotFound(t *testing.T) {
	w := newWorld()
	id := w.post(t, request(one, ordered("", upload(1)))).ID
	made := len(w.calls)
	for _, bad := range []string{"", "x", strings.ToUpper("abcdef0123456789abcdef0123456789"), id + "0", id[:31] + "/", one.Digest() + "-" + id} {
		if r := w.get(t, one, bad); r.code != problem.BatchNotFound || r.batch != "" {
			t.Errorf("%q: %+v", bad, r)
		}
		if r := w.remove(t, one, bad); r.code != problem.BatchNotFound {
			t.Errorf("%q: %+v", bad, r)
		}
	}
	if len(w.calls) != made {
		t.Errorf("calls %q", w.calls[made:])
	}
	for _, r := range []reply{w.get(t, two, id), w.remove(t, two, id), w.get(t, one, upload(9)), w.remove(t, one, upload(9))} {
		if r.code != problem.BatchNotFound {
			t.Errorf("%+v", r)
		}
	}
	if w.count("Stop") != 0 || w.get(t, one, id).Status != "running" {
		t.Error("another caller stopped it")
	}
}

// TestDelete: one that runs is stopped, one that has ended is erased; and a DELETE that
// is repeated does not erase what the first one stopped.
func TestDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		id := w.post(t, request(one, ordered("", upload(1)))).ID
		name := w.order[0]
		r := w.remove(t, one, id)
		if r.status != 202 || r.Status != "stopped" || r.header.Get("Retry-After") != "900" || w.runs[name].Status != batches.Stopped {
			t.Errorf("%+v", r)
		}
		time.Sleep(10 * time.Second)
		if r = w.remove(t, one, id); r.status != 202 || r.Status != "stopped" || r.header.Get("Retry-After") != "890" || w.count("Stop") != 1 || len(w.erasing) != 0 {
			t.Errorf("repeated: %+v, erasing %v", r, w.erasing)
		}
		time.Sleep(15*time.Minute - 10*time.Second)
		r = w.remove(t, one, id)
		if r.status != 202 || r.Status != "erasing" || r.header.Get("Retry-After") != "10" || w.erasing[name] != "batches/"+one.Digest()+"/"+id+"/" {
			t.Errorf("later: %+v, erasing %v", r, w.erasing)
		}
		if r = w.remove(t, one, id); r.status != 202 || r.Status != "erasing" || w.count("Erase") != 1 {
			t.Errorf("repeated: %+v", r)
		}
		if r = w.get(t, one, id); r.status != 200 || r.Status != "erasing" || r.Results != nil {
			t.Errorf("while it is erased: %+v", r)
		}
		clear(w.objects)
		for _, r := range []reply{w.get(t, one, id), w.remove(t, one, id)} {
			if r.code != problem.BatchNotFound {
				t.Errorf("once it is: %+v", r)
			}
		}
	})
}

// TestDeleteEnded: what succeeded is erased at once, what failed once its steps have ended.
func TestDeleteEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for status, first := range map[batches.Status]string{batches.Failed: "failed", batches.Succeeded: "erasing"} {
			w := newWorld()
			id := w.post(t, request(one, ordered("", upload(1)))).ID
			w.end(batches.Execution{Status: status, Ended: time.Now()})
			if r := w.remove(t, one, id); r.status != 202 || r.Status != first || w.count("Stop") != 0 || len(w.erasing) != 0 && first == "failed" {
				t.Errorf("%s: %+v", status, r)
			}
			time.Sleep(15 * time.Minute)
			if r := w.remove(t, one, id); r.status != 202 || r.Status != "erasing" {
				t.Errorf("%s, later: %+v", status, r)
			}
		}
	})
}

// TestUnavailable: what cannot be asked is not answered.
func TestUnavailable(t *testing.T) {
	for call, code := range map[string]problem.Code{
		"Read": problem.BucketUnavailable, "Describe": problem.BatchesUnavailable, "Erasing": problem.BatchesUnavailable, "Link": problem.BucketUnavailable,
		"Erase": problem.BatchesUnavailable, "Stop": problem.BatchesUnavailable,
	} {
		w := newWorld()
		id := w.post(t, request(one, ordered("", upload(1)))).ID
		if call != "Stop" {
			w.end(batches.Execution{Status: batches.Succeeded})
		}
		w.fail[call] = &problem.Error{Code: code, Err: errors.New("canary")}
		ask := w.get
		if call == "Erase" || call == "Stop" {
			ask = w.remove
		}
		if r := ask(t, one, id); r.code != code {
			t.Errorf("%s: %+v", call, r)
		}
	}
	// What is no order, such as the page of a proxy, tells nothing.
	w := newWorld()
	id := w.post(t, request(one, ordered("", upload(1)))).ID
	w.objects[w.keys()[0]] = []byte("<html>")
	if r := w.get(t, one, id); r.code != problem.BucketUnavailable {
		t.Errorf("%+v", r)
	}
}
