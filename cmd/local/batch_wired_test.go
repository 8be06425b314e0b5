package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/bucket"
	"omr-relay/internal/sandbox"
)

// The relay itself in between, its bucket and Step Functions by the SDK's own chain: the
// command and the routes speak the same words. What the state machine would do, the test
// does whenever the command waits.
func TestBatchThroughTheRelay(t *testing.T) {
	machine := &sandbox.StepFunctions{}
	states := httptest.NewServer(machine)
	defer states.Close()
	t.Setenv("AWS_ENDPOINT_URL_SFN", states.URL)
	r := newBucketRelay(t, map[string]string{"OMR_BUCKET": sandbox.DefaultBucket, "OMR_STATE_MACHINE": sandbox.DefaultStateMachine, "OMR_MAX_SHEETS": "3"})
	// A link names the file that it is kept as, which the stand-in need not know.
	r.S3.Respond(func(w http.ResponseWriter, req *http.Request) bool {
		if !req.URL.Query().Has("response-content-disposition") {
			return false
		}
		data, _ := r.S3.Object(strings.TrimPrefix(req.URL.Path, "/"+sandbox.DefaultBucket+"/"))
		_, _ = w.Write(data)
		return true
	})
	merged := func(prefix string) string {
		text, _ := r.S3.Object(layout.OrderKey(prefix))
		var order layout.Order
		if err := json.Unmarshal(text, &order); err != nil {
			t.Fatal(err)
		}
		var table strings.Builder
		for _, u := range order.Uploads {
			if _, ok := r.S3.Object(bucket.UploadKey(strings.Split(prefix, "/")[1], u.Upload)); ok {
				_, _ = fmt.Fprintf(&table, "%s,Ok,A\r\n", u.Name)
			}
		}
		r.S3.SetObject(layout.TableKey(prefix, "answers.csv"), []byte("image,status,Question1\r\n"+table.String()))
		r.S3.SetObject(layout.TableKey(prefix, "exceptions.csv"), []byte("image,status,reason\r\n"))
		return fmt.Sprintf(`{"sheets":%d,"answered":%d}`, len(order.Uploads), len(order.Uploads))
	}
	run := func(args ...string) output {
		var stdout, stderr bytes.Buffer
		c := console{stdin: strings.NewReader(""), stdout: &stdout, stderr: &lockedWriter{w: &stderr}, getenv: r.env}
		waits := 0
		c.sleep = func(_ context.Context, d time.Duration) bool {
			names, inputs := machine.Executions()
			var input struct{ Prefix string }
			if err := json.Unmarshal([]byte(inputs[len(inputs)-1]), &input); err != nil || d != 10*time.Second {
				t.Fatalf("waits %v: %v", d, err)
			}
			waits++
			switch name := names[len(names)-1]; {
			case waits == 1:
				machine.Progress(name, sandbox.MapCounts{Total: 3, Running: 2, Succeeded: 1})
			case len(names) == 1:
				machine.Break(name, "CredentialsRejected", "")
			default:
				machine.Finish(name, merged(input.Prefix))
			}
			return true
		}
		status := runOn(t.Context(), append([]string{"local", "recognize", "--pattern", patternFile, "--batch"}, args...), c)
		return output{status, stdout.String(), stderr.String()}
	}
	dir, out := scansFolder(t, 3), filepath.Join(t.TempDir(), "answers.csv")
	if got := run(dir, "-o", out); got.status != exitFailed || !strings.Contains(got.stderr, " failed: Aspose takes no longer the credentials in the secret") {
		t.Fatalf("%+v", got)
	}
	got := run(dir, "-o", out)
	if got.status != exitOK || !strings.Contains(got.stderr, "1/3 recognized, 2 under way\n") || !strings.HasSuffix(got.stderr, "3 of 3 have answers\nwritten: "+out+"\n") {
		t.Errorf("%+v", got)
	}
	if table := rows(t, readFile(t, out)); len(table) != 4 || table[3][0] != "scan3.png" || r.called("/uploads") > 3+2 {
		t.Errorf("%q after %d forms", table, r.called("/uploads"))
	}
	// One sheet too many is the relay's own word.
	if got := run(scansFolder(t, 4)); got.status != exitFailed || !strings.Contains(got.stderr, "local: the batch was not started: uploads: there are more than 3, which is the most that a batch may have") {
		t.Errorf("%+v", got)
	}
}
