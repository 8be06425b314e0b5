//go:build unix

package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"omr-relay/internal/journal"
)

func open(t *testing.T, path string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// What was recorded is known again, and to its owner alone.
func TestJournalRemembers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "answers.journal")
	j := open(t, path)
	must(t,
		j.Intend("a"),
		j.Intend("b"), j.Submitted("b", "task-b"),
		j.Intend("c"), j.Refused("c"),
		j.Intend("d"), j.Submitted("d", "task-d"), j.Finish("d", journal.Result{Status: "Ok", Data: []byte("x,\"\n\xff"), Messages: []string{"m"}}),
		j.Intend("e"), j.Submitted("e", "task-e"), j.Finish("e", journal.Result{Status: "Error"}), j.Intend("e"),
		j.Close())
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	must(t, os.Chmod(path, 0o644))
	j = open(t, path)
	defer j.Close()
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("made readable for others, and left so: %v", info.Mode())
	}
	for sheet, want := range map[string]string{
		"a": "true  false", "b": "true task-b false", "c": "false  false", "d": "true task-d true", "e": "true  false", "z": "false  false",
	} {
		s := j.State(sheet)
		if got := fmt.Sprint(s.Intended, " ", s.Task, " ", s.Done); got != want {
			t.Errorf("%s: %s, want %s", sheet, got, want)
		}
		if (s.Task != "") == s.Submitted.IsZero() {
			t.Errorf("%s was submitted at %v", sheet, s.Submitted)
		}
	}
	if r, err := j.Result("d"); err != nil || r.Status != "Ok" || string(r.Data) != "x,\"\n\xff" || strings.Join(r.Messages, "") != "m" {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := j.Result("b"); err == nil {
		t.Error("a result of what has none")
	}
}

// Wherever writing stopped, what was recorded before is known, and writing goes
// on.
func TestJournalBrokenOffAnywhere(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole")
	j := open(t, whole)
	must(t, j.Intend("a"), j.Submitted("a", "task-a"), j.Finish("a", journal.Result{Status: "Ok", Data: []byte("data")}), j.Close())
	data, err := os.ReadFile(whole)
	must(t, err)
	for n := range len(data) + 1 {
		for _, junk := range []string{"", "\x00\x00\x00", "\x00\x00{}\n{\"sheet\":\"a\",\"result\":{}}\n"} {
			if n <= bytes.IndexByte(data, 0x0a) && strings.Contains(junk, "\n") {
				continue // the first line is on disk before anything else is written
			}
			path := filepath.Join(t.TempDir(), "cut")
			must(t, os.WriteFile(path, []byte(string(data[:n])+junk), 0o600))
			j := open(t, path)
			lines := strings.Count(string(data[:n]), "\n")
			s := j.State("a")
			if s.Intended != (lines >= 1) || (s.Task != "") != (lines >= 2) || s.Done != (lines >= 3) {
				t.Fatalf("after %d bytes: %+v", n, s)
			}
			must(t, j.Intend("b"), j.Close())
			j = open(t, path)
			if !j.State("b").Intended || j.State("a").Done != (lines >= 3) {
				t.Fatalf("after %d bytes and another line: %+v", n, j.State("b"))
			}
			must(t, j.Close())
		}
	}
}

func TestJournalRefusesWhatIsNone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "notes.txt")
	for _, notes := range []string{"some\nnotes\nof mine", "one\n", "\x00\x00\n"} {
		must(t, os.WriteFile(path, []byte(notes), 0o600))
		if _, err := journal.Open(path); err == nil || !strings.Contains(err.Error(), "line 1 is none of a journal's") {
			t.Errorf("%q: %v", notes, err)
		}
		if data, _ := os.ReadFile(path); string(data) != notes {
			t.Errorf("changed: %q", data)
		}
	}
	if _, err := journal.Open(dir); err == nil {
		t.Error("a folder was opened")
	}
	if _, err := journal.Open(filepath.Join(dir, "missing", "j")); err == nil {
		t.Error("a folder was made")
	}
}

// Two runs at once would both submit.
func TestJournalIsOneRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	if _, err := journal.Open(path); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("a second: %v", err)
	}
	must(t, j.Close())
	must(t, open(t, path).Close())
}

// A disk that is full is told before anything is sent; the ids of the tasks that
// are under way still have their room.
func TestJournalFullDisk(t *testing.T) {
	// The limit goes for the whole process, so it is put back.
	var before syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	for i := range 64 {
		must(t, j.Intend(strconv.Itoa(i)))
	}
	info, err := os.Stat(path)
	must(t, err)
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(info.Size()), Max: before.Max}))
	var submitted, full error
	for i := range 64 {
		submitted = errors.Join(submitted, j.Submitted(strconv.Itoa(i), strings.Repeat("t", 36)))
	}
	for range 1000 { // until what was allocated ahead is used up
		full = errors.Join(full, j.Intend("one more"))
	}
	result := j.Finish("0", journal.Result{Data: make([]byte, 32<<10)})
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
	if submitted != nil || !errors.Is(full, syscall.EFBIG) || !errors.Is(result, syscall.EFBIG) {
		t.Errorf("ids: %v; an intent: %v; a result: %v", submitted, full, result)
	}
	must(t, j.Finish("0", journal.Result{Status: "Ok"}), j.Close())
	j = open(t, path)
	defer j.Close()
	if j.State("63").Task == "" || !j.State("0").Done {
		t.Errorf("%+v, %+v", j.State("63"), j.State("0"))
	}
}

func TestTemporary(t *testing.T) {
	j, err := journal.Temporary()
	must(t, err)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			sheet := strconv.Itoa(i)
			if err := errors.Join(j.Intend(sheet), j.Submitted(sheet, "t"), j.Finish(sheet, journal.Result{Status: sheet})); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range 20 {
		if r, err := j.Result(strconv.Itoa(i)); err != nil || r.Status != strconv.Itoa(i) {
			t.Errorf("%d: %+v %v", i, r, err)
		}
	}
	must(t, j.Close())
	if _, err := os.Stat(j.Name()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}
