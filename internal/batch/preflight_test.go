package batch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/batch"
	"omr-relay/internal/bucket"
	"omr-relay/internal/sandbox"
	"omr-relay/secrets"
)

// What would be wrong with every sheet ends the batch once, with its name, and nothing
// is submitted.
func TestFaultsOfAWholeBatch(t *testing.T) {
	some := map[string][]byte{"1.jpg": photo(1)}
	for what, tt := range map[string]struct {
		prepare func(*world)
		prefix  string
		change  func(*batch.Runner)
		name    batch.Name
		text    string
		took    time.Duration // in which it was tried again, at least
	}{
		"no pattern": {prepare: func(w *world) { w.S3.RemoveObject(exam + "pattern.omr") }, name: batch.PatternMissing, text: "there is no pattern.omr"},
		"a pattern that is none": {prepare: func(w *world) { w.S3.SetObject(exam+"pattern.omr", photo(1)) }, name: batch.PatternMissing,
			text: "pattern.omr is no recognition pattern"},
		"a pattern that is too large": {prepare: func(w *world) { w.S3.SetObject(exam+"pattern.omr", make([]byte, 20<<20+1)) }, name: batch.PatternMissing, text: "too large"},
		"an order that is none":       {prepare: func(w *world) { w.S3.SetObject(exam+"order.json", []byte("{")) }, name: batch.BadInput, text: "order.json cannot be read"},
		"an order of too much":        {prepare: func(w *world) { w.S3.SetObject(exam+"order.json", []byte(`{"threshold":101}`)) }, name: batch.BadInput, text: "order.json cannot be read"},
		"an order of another's":       {prepare: func(w *world) { w.S3.SetObject(exam+"order.json", []byte(`{"uploads":[{"upload":"../x"}]}`)) }, name: batch.BadInput, text: "order.json cannot be read"},
		"another batch":               {prepare: func(w *world) { w.others = []string{"earlier"} }, name: batch.AnotherBatchRuns, text: "another batch of this stack runs"},
		"no scans":                    {prepare: func(w *world) { w.S3.RemoveObject(exam + "1.jpg") }, name: batch.NoScans, text: "there are no scans"},
		"too many scans": {prepare: func(w *world) { w.place(exam, map[string][]byte{"2.jpg": photo(2), "3.jpg": photo(3)}) }, name: batch.TooManySheets,
			change: func(r *batch.Runner) { r.MaxSheets = 2 }, text: "a batch has 2 sheets at most"},
		"too many pages": {prepare: func(w *world) { w.place(exam, map[string][]byte{"class.pdf": file(t, "grey.pdf")}) }, name: batch.TooManySheets,
			change: func(r *batch.Runner) { r.MaxSheets = 3 }, text: "a batch has 3 sheets at most"},
		"too many pages of one file": {prepare: func(w *world) { w.place(exam, map[string][]byte{"class.pdf": file(t, "grey.pdf")}) }, name: batch.TooManySheets,
			change: func(r *batch.Runner) { r.MaxSheets = 2 }, text: "a batch has 2 sheets at most"},
		"a secret that is rejected": {prepare: func(w *world) { w.Token.Accept("another", "pair") }, name: batch.CredentialsRejected,
			text: "the secret's credentials are of no use: token_unavailable"},
		"a secret that is broken": {prepare: func(w *world) { w.vaultErr = &secrets.Error{Kind: secrets.MissingKey, Key: "client_id"} }, name: batch.CredentialsRejected,
			text: "the secret lacks a key"},
		"a secret out of reach": {prepare: func(w *world) { w.vaultErr = &secrets.Error{Kind: secrets.Unavailable} }, name: batch.Unavailable,
			text: "Secrets Manager cannot be reached", took: 75 * time.Second},
		"the token service down": {prepare: func(w *world) {
			w.upstream = func(_ string, r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, sandbox.TokenPath) {
					return respond(503, "words")
				}
				return nil, nil
			}
		}, name: batch.Unavailable, text: "the token endpoint answered 503", took: 75 * time.Second},
		"the bucket down": {prepare: func(w *world) {
			w.S3.Respond(func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(503); return true })
		}, name: batch.Unavailable, text: "reading the pattern: bucket_unavailable", took: 75 * time.Second},
		"a prefix elsewhere": {prefix: "uploads/", name: batch.BadInput, text: "the prefix must be one under batches/"},
		"all prefixes":       {prefix: "batches/", name: batch.BadInput, text: "the prefix must be one under batches/"},
		"no prefix":          {prefix: "batches/exam", name: batch.BadInput, text: "the prefix must be one under batches/"},
		"an empty folder":    {prefix: "batches//exam/", name: batch.BadInput, text: "the prefix must be one under batches/"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.place(exam, some)
				if tt.prepare != nil {
					tt.prepare(w)
				}
				var changes []func(*batch.Runner)
				if tt.change != nil {
					changes = append(changes, tt.change)
				}
				if tt.prefix == "" {
					tt.prefix = exam
				}
				began := time.Now()
				_, err := w.execution(t, "one", changes...).run(tt.prefix)
				f, ok := errors.AsType[*failure](err)
				if !ok || f.name != string(tt.name) || !strings.Contains(f.cause, tt.text) || strings.Contains(f.cause, "words") {
					t.Errorf("got %v, want %s: %s", err, tt.name, tt.text)
				}
				w.wantSubmissions(t, 0)
				if took := time.Since(began); took < tt.took || tt.took == 0 && took > 30*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// What nobody can be asked to do, and what goes wrong within.
func TestStepsThatAreNone(t *testing.T) {
	w := newWorld()
	w.place(exam, nil)
	p := w.process(t)
	for _, tt := range []struct {
		in   batch.Input
		name batch.Name
		text string
	}{
		{in("dance"), batch.BadInput, "there is no such step"},
		{in("submit"), batch.BadInput, "without its scan"},
		{in("submit", "../pattern.omr"), batch.BadInput, "without its scan"},
		{in("fetch"), batch.BadInput, "without its task"},
		{in("merge"), batch.BadInput, "no list of the batch's sheets"},
		{in("submit", strings.Repeat("0", 32)), batch.Unavailable, "reading the terms"},
	} {
		_, err := p.runner.Run(t.Context(), tt.in)
		wantFault(t, err, tt.name, tt.text)
		if text := fmt.Sprintf("%v %+v %s", err, err, err); strings.Contains(text, "exam") {
			t.Errorf("told: %s", text)
		}
	}
}

// broken is a bucket in which a bug is.
type broken struct{ batch.Files }

func (broken) Find(context.Context, string) (*bucket.Upload, error) { panic("anna.jpg") }

func TestPanicsAreFaults(t *testing.T) {
	w := newWorld()
	w.place(exam, map[string][]byte{"anna.jpg": photo(1)})
	p := w.process(t, func(r *batch.Runner) { r.Files = broken{r.Files} })
	_, err := p.runner.Run(t.Context(), in("manifest"))
	wantFault(t, err, batch.Failed, "panic (string) at")
	if strings.Contains(err.Error(), "anna") {
		t.Error(err)
	}
	p.runner.Map = nil
	_, err = p.runner.Run(t.Context(), in("preflight"))
	wantFault(t, err, batch.Failed, "panic")
}

// An order has the scans by their uploads, in its own order, which then are not those
// under the prefix; or all in a folder of the caller's.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const caller, id = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
		const prefix = "batches/" + caller + "/" + id + "/"
		w := newWorld()
		w.place(prefix, nil)
		one, two, gone := strings.Repeat("1", 32), strings.Repeat("2", 32), strings.Repeat("3", 32)
		w.S3.SetObject("uploads/"+caller+"/"+one, photo(1))
		w.S3.SetObject("uploads/"+caller+"/"+two, photo(2))
		w.S3.SetObject("uploads/"+strings.Repeat("f", 32)+"/"+gone, photo(3))
		w.S3.SetObject(prefix+"order.json", fmt.Appendf(nil, `{"threshold":40,"uploads":[{"upload":%q,"name":"=Zoë, 7b\n.jpg"},{"upload":%q},{"upload":%q,"name":"late"},{"upload":%q,"name":"twin"}]}`, two, one, gone, two))
		out, err := w.execution(t, "one").run(prefix)
		if err != nil || fmt.Sprint(out) != "map[answered:3 exceptions:2 sheets:4]" {
			t.Fatalf("%v, %v", out, err)
		}
		want := "image,status,Question1,Question2,Question3,NOTE\r\n" +
			"\"'=Zoë, 7b\r\n.jpg\"," + answered + "\r\n2," + answered + "\r\nlate,unreadable,,,,\r\ntwin," + answered + "\r\n"
		if got := w.object(prefix + "results/answers.csv"); got != want {
			t.Errorf("%q\nwant %q", got, want)
		}
		wantRows := []string{"late,unreadable,\"it is not there: not sent whole, or older than a day\"", "twin,duplicate,\"the same content as =Zoë, 7b", ".jpg; submitted once\""}
		if got := rows(w.object(prefix + "results/exceptions.csv")); !slices.Equal(got, wantRows) {
			t.Errorf("%q", got)
		}
		for _, key := range w.S3.Keys() {
			if strings.HasPrefix(key, "sheets/") && !strings.HasPrefix(key, "sheets/"+caller+"/") {
				t.Errorf("a result of the caller's at %s", key)
			}
		}
		w.wantSubmissions(t, 2)
		// Another threshold is another sheet; so is another caller's.
		w.S3.SetObject(prefix+"order.json", fmt.Appendf(nil, `{"uploads":[{"upload":%q}]}`, one))
		if _, err := w.execution(t, "two").run(prefix); err != nil {
			t.Fatal(err)
		}
		if n := w.submitted[nameOf(photo(1))]; n != 2 {
			t.Errorf("submitted %d times", n)
		}
		w.S3.SetObject("uploads/"+caller+"/class/b.jpg", photo(7))
		w.S3.SetObject("uploads/"+caller+"/class/a/c.jpg", photo(8))
		w.S3.SetObject("uploads/"+caller+"/other/b.jpg", photo(9))
		w.S3.SetObject(prefix+"order.json", []byte(`{"folder":"class/"}`))
		if out, err := w.execution(t, "three").run(prefix); err != nil || fmt.Sprint(out) != "map[answered:2 exceptions:0 sheets:2]" {
			t.Fatalf("%v, %v", out, err)
		}
		if got := rows(w.object(prefix + "results/answers.csv")); !strings.HasPrefix(got[0], "a/c.jpg,Ok") || !strings.HasPrefix(got[1], "b.jpg,Ok") {
			t.Errorf("%q", got)
		}
	})
}
