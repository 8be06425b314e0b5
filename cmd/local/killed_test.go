package main

import (
	"context"
	"fmt"
	"math/rand/v2"
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
