package batches_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/handler/batches"
	"omr-relay/internal/batch/layout"
	"omr-relay/internal/problem"
)

// TestStart: what is asked for lies in the bucket before it is started.
func TestStart(t *testing.T) {
	w := newWorld()
	body := ordered(`,"recognitionThreshold":30,"name":"Klasse 7b","format":"csv"`, upload(1), upload(2), upload(1))
	r := w.post(t, request(one, body, "Prefer", "resubmit"))
	if r.status != 202 || r.Status != "running" || r.Name != "Klasse 7b" || len(r.ID) != 32 || r.header.Get("Location") != "batches/"+r.ID ||
		r.header.Get("Retry-After") != "10" || r.header.Get("Preference-Applied") != "resubmit" || r.batch != r.ID {
		t.Errorf("%+v", r)
	}
	prefix := "batches/" + one.Digest() + "/" + r.ID + "/"
	if keys := w.keys(); !reflect.DeepEqual(keys, []string{prefix + "order.json", prefix + "pattern.omr"}) {
		t.Errorf("stored %q", keys)
	}
	if got := string(w.objects[prefix+"pattern.omr"]); got != pattern {
		t.Errorf("the pattern is %q", got)
	}
	var o layout.Order
	if err := json.Unmarshal(w.objects[prefix+"order.json"], &o); err != nil {
		t.Fatal(err)
	}
	want := layout.Order{Request: o.Request, Name: "Klasse 7b", Threshold: new(30), Resubmit: true,
		Uploads: []layout.OrderedUpload{{Upload: upload(1)}, {Upload: upload(2)}, {Upload: upload(1)}}}
	if !reflect.DeepEqual(o, want) || len(o.Request) != 64 {
		t.Errorf("ordered %+v", o)
	}
	if got := strings.Join(w.calls, " "); got != "Earliest Create Write Start" || w.order[0] != one.Digest()+"-"+r.ID {
		t.Errorf("calls %s, started %q", got, w.order)
	}
}

// TestForms: what may be sent, and what comes of it.
func TestForms(t *testing.T) {
	const encoded = `"eyJQYWdlcyI6W3siRWxlbWVudHMiOltdfV19"`
	u := upload(7)
	for body, want := range map[string]layout.Order{
		`{"pattern":` + encoded + `,"uploads":["` + u + `"]}`:                                               {Uploads: []layout.OrderedUpload{{Upload: u}}},
		`{"omrFile":` + encoded + `,"UPLOADS":[{"name":"Jörg \ud83d\ude00.jpg","upload":"` + u + `"}]}`:     {Uploads: []layout.OrderedUpload{{Upload: u, Name: "Jörg 😀.jpg"}}},
		`{"pattern":` + encoded + `,"uploads":[{"upload":"` + u + `","name":null}],"name":null}`:            {Uploads: []layout.OrderedUpload{{Upload: u}}},
		`{"pattern":` + encoded + `,"prefix":"7b/Mathe 1/","uploads":null}`:                                 {Folder: "7b/Mathe 1/"},
		` {"prefix":"a/","pattern":` + encoded + `,"recognitionThreshold":0,"outputFormat":"CSV"}` + "\r\n": {Folder: "a/", Threshold: new(0)},
	} {
		w := newWorld()
		r := w.post(t, request(one, body))
		if r.status != 202 {
			t.Errorf("%s: %+v", body, r)
			continue
		}
		var o layout.Order
		if err := json.Unmarshal(w.objects[w.keys()[0]], &o); err != nil {
			t.Fatal(err)
		}
		if want.Request = o.Request; !reflect.DeepEqual(o, want) {
			t.Errorf("%s: %+v", body, o)
		}
	}
}

// TestOnce: a key names one batch of its caller's, whatever becomes of it.
func TestOnce(t *testing.T) {
	w := newWorld()
	body := ordered("", upload(1))
	first := w.post(t, request(one, body, "Idempotency-Key", "exam"))
	again := w.post(t, request(one, ordered(`,"format":"CSV"`, upload(1)), "Idempotency-Key", `"exam"`))
	if first.status != 202 || again.status != 202 || again.ID != first.ID || again.header.Get("Location") != "batches/"+first.ID || again.Started == "" || w.count("Start") != 1 {
		t.Errorf("%+v\n%+v, %d starts", first, again, w.count("Start"))
	}
	for name, req := range map[string][]string{
		"an upload more":    {ordered("", upload(1), upload(2))},
		"another upload":    {ordered("", upload(2))},
		"another threshold": {ordered(`,"recognitionThreshold":1`, upload(1))},
		"another name":      {ordered(`,"name":"x"`, upload(1))},
		"another pattern":   {strings.Replace(body, "eyJQYWdl", "eyJwYWdl", 1)},
		"sent again":        {body, "Prefer", "resubmit"},
	} {
		r := w.post(t, request(one, req[0], append(req[1:], "Idempotency-Key", "exam")...))
		if r.code != problem.IdempotencyKeyReused {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if other := w.post(t, request(two, body, "Idempotency-Key", "exam")); other.code != problem.BatchRunning {
		t.Errorf("another caller's: %+v", other)
	}
	w.end(batches.Execution{Status: batches.Succeeded, Output: `{"sheets":1,"answered":1}`})
	again = w.post(t, request(one, body, "Idempotency-Key", "exam"))
	if again.status != 200 || again.ID != first.ID || again.header.Get("Content-Location") != "batches/"+first.ID || len(again.Results) != 3 {
		t.Errorf("in the end: %+v", again)
	}
	other := w.post(t, request(two, body, "Idempotency-Key", "exam"))
	if other.status != 202 || other.ID == first.ID || w.count("Start") != 2 {
		t.Errorf("another caller's: %+v", other)
	}
	for key := range w.objects {
		if strings.Contains(key, "exam") {
			t.Errorf("the key shows in %s", key)
		}
	}
}

// TestStartsLater: what was ordered and not started is started by the same request.
func TestStartsLater(t *testing.T) {
	outage := func(code problem.Code) error {
		return &problem.Error{Code: code, RetryAfter: time.Second, Detail: "No.", Err: errors.New("canary")}
	}
	for call, code := range map[string]problem.Code{
		"Create": problem.BucketUnavailable, "Write": problem.BucketUnavailable, "Start": problem.BatchesUnavailable, "Read": problem.BucketUnavailable,
		"Earliest": problem.BatchesUnavailable, "Describe": problem.BatchesUnavailable,
	} {
		w := newWorld()
		w.fail[call] = outage(code)
		first := w.post(t, request(one, ordered("", upload(1)), "Idempotency-Key", "k"))
		if first.code != code || len(w.order) != 0 {
			t.Errorf("%s: %+v, started %q", call, first, w.order)
		}
		if located := first.err.Header.Get("Content-Location"); (located == "batches/"+first.batch) != (call == "Start") {
			t.Errorf("%s: located at %q", call, located)
		}
		if found := w.get(t, one, first.batch); found.code == "" {
			t.Errorf("%s: there is %+v", call, found)
		}
		w.fail = nil
		if r := w.post(t, request(one, ordered("", upload(1)), "Idempotency-Key", "k")); r.status != 202 || len(w.order) != 1 || len(w.objects) != 2 {
			t.Errorf("%s: %+v, started %q, stored %q", call, r, w.order, w.keys())
		}
	}
}

// An answer of S3's that is lost is no reason to start nothing, or anything twice.
func TestLostAnswer(t *testing.T) {
	for _, headers := range [][]string{nil, {"Idempotency-Key", "k"}} {
		w := newWorld()
		w.lost = true
		if r := w.post(t, request(one, ordered("", upload(1)), headers...)); r.status != 202 || len(w.order) != 1 {
			t.Errorf("%q: %+v, started %q", headers, r, w.order)
		}
	}
}

// TestManyAtOnce: of many requests with one key, each is told of the same batch; of
// different ones, the first has the key.
func TestManyAtOnce(t *testing.T) {
	w := newWorld()
	var mu sync.Mutex
	told := map[string]int{}
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			r := w.post(t, request(one, ordered("", upload(i%2)), "Idempotency-Key", "k"))
			mu.Lock()
			defer mu.Unlock()
			told[string(r.code)+r.ID]++
		})
	}
	all.Wait()
	if len(told) != 2 || told[string(problem.IdempotencyKeyReused)] != 16 || len(w.order) != 1 || len(w.objects) != 2 {
		t.Errorf("told %v, started %q, stored %q", told, w.order, w.keys())
	}
}

// TestAnotherRuns: whose it is, nobody learns; and nothing is written.
func TestAnotherRuns(t *testing.T) {
	w := newWorld()
	first := w.post(t, request(one, ordered("", upload(1))))
	stored := len(w.objects)
	for _, caller := range []string{"key-1", "key-2"} {
		r := w.post(t, request(callerOf(caller), ordered("", upload(2))))
		if r.code != problem.BatchRunning || r.err.RetryAfter != 30*time.Second || strings.Contains(r.err.Detail, first.ID) || strings.Contains(r.err.Detail, one.Digest()) || len(w.objects) != stored {
			t.Errorf("%s: %+v, stored %q", caller, r, w.keys())
		}
	}
	w.end(batches.Execution{Status: batches.Failed, Error: "CredentialsRejected"})
	if r := w.post(t, request(two, ordered("", upload(2)))); r.status != 202 {
		t.Errorf("%+v", r)
	}
}

// TestErasedKey: a key whose batch is gone starts none: its name is given once.
func TestErasedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := w.post(t, request(one, ordered("", upload(1)), "Idempotency-Key", "k"))
		name := w.end(batches.Execution{Status: batches.Succeeded})
		if gone := w.remove(t, one, r.ID); gone.status != 202 || w.erasing[name] == "" {
			t.Errorf("%+v", gone)
		}
		if r := w.post(t, request(one, ordered("", upload(1)), "Idempotency-Key", "k")); r.status != 200 || r.Status != "erasing" {
			t.Errorf("while it is erased: %+v", r)
		}
		clear(w.objects)
		for _, body := range []string{ordered("", upload(1)), ordered("", upload(2))} {
			if r := w.post(t, request(one, body, "Idempotency-Key", "k")); r.code != problem.IdempotencyKeyReused || len(w.objects) != 0 {
				t.Errorf("once it is: %+v, stored %q", r, w.keys())
			}
		}
	})
}
