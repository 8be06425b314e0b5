package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What cannot be written is said, and what was there stays.
func TestRecognizeFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	var stderr bytes.Buffer
	args := []string{"local", "recognize", "../../events/sample", "--pattern", patternFile, "--sample"}
	if status := run(t.Context(), args, strings.NewReader(""), full, &stderr, unset); status != exitFailed || !strings.Contains(stderr.String(), "local: printing the table: write /dev/full: no space left on device\n") {
		t.Errorf("%d, %s", status, &stderr)
	}

	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=48k"); err != nil {
		t.Skip("a small disk needs root: ", err)
	}
	defer syscall.Unmount(disk, 0)
	r, dir, out := newRemote(t), scansFolder(t, 60), filepath.Join(disk, "answers.csv")
	got := recognized(t, r.env(), dir, "-o", out)
	if got.status != exitFailed || !strings.Contains(got.stderr, "no space left on device") || !strings.Contains(got.stderr, "no table was written") {
		t.Errorf("%+v", got)
	}
	if files, _ := os.ReadDir(disk); len(files) != 1 || files[0].Name() != "answers.journal" {
		t.Errorf("left behind: %v", files)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=1m"); err != nil {
		t.Fatal(err)
	}
	got = recognized(t, r.env(), dir, "-o", out)
	if counts := r.counts(); got.status != exitOK || counts != "[1:60]" {
		t.Errorf("with room again: %+v, submitted %s", got, counts)
	}
	if table := rows(t, readFile(t, out)); len(table) != 61 {
		t.Errorf("%d rows", len(table))
	}
}
