package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets tests run the program as a process of its own: this one, with its
// arguments in the environment.
func TestMain(m *testing.M) {
	if args := os.Getenv("OMR_LOCAL_ARGS"); args != "" {
		os.Args = append([]string{"local"}, strings.Split(args, "\n")...)
		main()
	}
	os.Exit(m.Run())
}

// process is the program in a process that is killed when ctx ends.
func process(ctx context.Context, r *remote, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "OMR_LOCAL_ARGS="+strings.Join(args, "\n"), "OMR_RELAY_URL="+r.url, "OMR_RELAY_KEY="+remoteKey)
	return cmd
}

// Killed at random, fifty times, and then finished: no sheet was submitted twice.
// One that was killed between a submission and the answer to it is told of, for
// nobody can know; a person who sends those again has all answers.
func TestRecognizeKilledAtRandom(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	const count = 300
	r := newRemote(t)
	r.SetReadyAfter(50 * time.Millisecond)
	dir, out := scansFolder(t, count), filepath.Join(t.TempDir(), "answers.csv")
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	killed := 0
	for range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(30+random.IntN(400))*time.Millisecond)
		if err := process(ctx, r, "recognize", dir, "--pattern", patternFile, "-o", out, "--jobs", "4").Run(); err != nil && ctx.Err() != nil {
			killed++
		}
		cancel()
		if files, _ := filepath.Glob(filepath.Join(filepath.Dir(out), "*.csv")); killed < 50 && len(files) != 0 && r.counts() != fmt.Sprintf("[1:%d]", count) {
			t.Fatalf("a table before the end: %v", files)
		}
	}
	got := recognized(t, r.env(), dir, "-o", out)
	unknown := strings.Count(got.stderr, "--resubmit sends it again")
	answered := strings.Count(readFile(t, out), ",Ok,")
	t.Logf("killed %d times, then finished: %d of %d sheets have answers, %d are unknown; submissions %s", killed, answered, count, unknown, r.counts())
	r.mu.Lock()
	for sheet, n := range r.submitted {
		if n > 1 {
			t.Errorf("a sheet of %d bytes was submitted %d times", len(sheet), n)
		}
	}
	r.mu.Unlock()
	unknown = count - answered
	if strings.Count(readFile(t, out), ",submission_unknown,") != unknown || (got.status == exitOK) != (unknown == 0) {
		t.Errorf("%d", got.status)
	}
	got = recognized(t, r.env(), dir, "-o", out, "--resubmit")
	if answered := strings.Count(readFile(t, out), ",Ok,"); got.status != exitOK || answered != count {
		t.Errorf("sent again: status %d, %d answers", got.status, answered)
	}
}

// Ctrl-C ends cleanly: what is being sent is waited for, and the same command goes
// on.
func TestRecognizeInterrupted(t *testing.T) {
	r := newRemote(t)
	count := r.countSubmission
	sending, release := make(chan struct{}, 100), make(chan struct{})
	r.Respond(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method == http.MethodPost {
			sending <- struct{}{}
			<-release
		}
		return count(w, req)
	})
	dir, out := scansFolder(t, 12), filepath.Join(t.TempDir(), "answers.csv")
	cmd := process(t.Context(), r, "recognize", dir, "--pattern", patternFile, "-o", out)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-sending // the first, which goes alone
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	close(release)
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(stderr.String(), "local: interrupted; 0 of 12 sheets have answers, no table was written, and the same command goes on from there\n") {
		t.Errorf("%v: %s", cmd.ProcessState, &stderr)
	}
	if files, _ := os.ReadDir(filepath.Dir(out)); len(files) != 1 || files[0].Name() != "answers.journal" {
		t.Errorf("left behind: %v", files)
	}
	if got := recognized(t, r.env(), dir, "-o", out); got.status != exitOK || r.counts() != "[1:12]" {
		t.Errorf("%+v, submitted %s", got, r.counts())
	}
}
