// Package journal keeps on disk what became of each sheet, so that a run that was
// broken off, by a person or by a power cut, goes on where it was and pays for no
// sheet twice.
//
// A journal is a file of JSON lines, which only its owner can read: it holds task
// ids and answers. Lines are added and never changed. Behind them there is room,
// of zeros, while a run goes on. A line that was being written when the machine
// stopped is cut off when the journal is opened again.
//
//	journal.go  Journal: what is recorded, and when it is safe on disk
//	replay.go   reading a journal from its beginning
//	lock_*.go   one run at a time
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// State is what is known of a sheet. Its zero value is nothing.
type State struct {
	// Intended says that a submission was begun. Without a Task, it may or may not
	// have been received.
	Intended bool
	// Task is the id that the upstream gave it, and Submitted when it did.
	Task      string
	Submitted time.Time
	// Done says that there is a Result.
	Done bool

	at, length int64 // of the result's line
}

// Result is what became of a task.
type Result struct {
	Status   string   `json:"status"`
	Data     []byte   `json:"data,omitempty"`
	Messages []string `json:"messages,omitempty"`
}

// Journal is an open journal. It is safe for concurrent use.
type Journal struct {
	temporary bool

	mu     sync.Mutex // guards what follows
	file   *os.File
	size   int64 // of the lines that are whole
	room   int64 // of the file: what is behind the lines is zeros
	sheets map[string]State

	syncing sync.Mutex // guards synced, and is taken before mu
	synced  int64      // of size, on disk
}

// reserve is room on disk that only tasks' ids are written into: when the disk is
// full, submissions may be under way, and an id that cannot be recorded is lost.
// It is enough for more than 64 of them, and for what it takes to allocate it.
const reserve = 16 << 10

// ErrLocked says that another run has the journal open.
var ErrLocked = errors.New("another run is writing it")

// Open opens the journal at path, or begins one. Nobody else can open it until
// [Journal.Close] (on systems that have advisory locks), or this process's end.
func Open(path string) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the output that the user named
	if err != nil {
		return nil, err
	}
	j := &Journal{file: file}
	if err := j.begin(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return j, nil
}

// Temporary begins a journal that [Journal.Close] removes.
func Temporary() (*Journal, error) {
	file, err := os.CreateTemp("", "omr-relay-journal-")
	if err != nil {
		return nil, err
	}
	return &Journal{file: file, temporary: true, sheets: map[string]State{}}, nil
}

func (j *Journal) begin() error {
	if err := lock(j.file); err != nil {
		return fmt.Errorf("%s: %w", j.file.Name(), err)
	}
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a file", j.file.Name())
	}
	if info.Mode().Perm() != 0o600 {
		if err := j.file.Chmod(0o600); err != nil {
			return err
		}
	}
	if j.sheets, j.size, err = replay(j.file); err != nil {
		return fmt.Errorf("%s: %w", j.file.Name(), err)
	}
	if j.room = j.size; j.size < info.Size() {
		if err := j.file.Truncate(j.size); err != nil {
			return err
		}
	}
	return syncFolder(filepath.Dir(j.file.Name()))
}

// State returns what is known of a sheet.
func (j *Journal) State(sheet string) State {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.sheets[sheet]
}

// Intend records that a sheet is about to be submitted. It returns once that is
// safe on disk, and room for the task's id with it: before it has, nothing may be
// sent.
func (j *Journal) Intend(sheet string) error {
	return j.add(record{Sheet: sheet, Intent: true}, reserve, true)
}

// Submitted records the task of a sheet. It returns once that is safe on disk.
func (j *Journal) Submitted(sheet, task string) error {
	return j.add(record{Sheet: sheet, Task: task}, 0, true)
}

// Refused records that a submission was not received. It may be lost with the
// machine's power: then the sheet counts as one that may have been received.
func (j *Journal) Refused(sheet string) error {
	return j.add(record{Sheet: sheet, Refused: true}, 0, false)
}

// Finish records what became of a sheet's task. It may be lost with the machine's
// power: then the task is asked for again.
func (j *Journal) Finish(sheet string, r Result) error {
	return j.add(record{Sheet: sheet, Result: &r}, reserve, false)
}

// Result reads the result of a sheet that is Done.
func (j *Journal) Result(sheet string) (Result, error) {
	j.mu.Lock()
	state := j.sheets[sheet]
	j.mu.Unlock()
	if !state.Done {
		return Result{}, errors.New("the journal has no result of it")
	}
	line := make([]byte, state.length)
	if _, err := j.file.ReadAt(line, state.at); err != nil {
		return Result{}, fmt.Errorf("reading the journal: %w", err)
	}
	var r record
	if err := json.Unmarshal(line, &r); err != nil || r.Result == nil || r.Sheet != sheet {
		return Result{}, errors.New("reading the journal: it was changed meanwhile")
	}
	return *r.Result, nil
}

// Name returns the journal's path.
func (j *Journal) Name() string { return j.file.Name() }

// Close writes all to disk and lets others open the journal.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.temporary {
		return errors.Join(j.file.Close(), os.Remove(j.file.Name()))
	}
	return errors.Join(j.file.Truncate(j.size), j.file.Sync(), j.file.Close())
}

// add writes a line in one piece, which leaves so much room behind it, and, if it
// must be safe, to the disk itself.
func (j *Journal) add(r record, left int64, safe bool) error {
	r.At = time.Now().UTC().Truncate(time.Second)
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding a line of the journal: %w", err)
	}
	line = append(line, '\n')
	end, err := j.write(r, line, left)
	if err == nil && safe && !j.temporary {
		err = j.sync(end)
	}
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// write returns where the line ends.
func (j *Journal) write(r record, line []byte, left int64) (end int64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.allocate(j.size + int64(len(line)) + left); err != nil {
		return 0, err
	}
	if _, err := j.file.WriteAt(line, j.size); err != nil {
		return 0, err
	}
	r.apply(j.sheets, j.size, int64(len(line)))
	j.size += int64(len(line))
	return j.size, nil
}

// sync returns once the lines up to end are on disk. Those who wait for it
// meanwhile share the next.
func (j *Journal) sync(end int64) error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if end <= j.synced {
		return nil
	}
	j.mu.Lock()
	written := j.size
	j.mu.Unlock()
	if err := j.file.Sync(); err != nil {
		return err
	}
	j.synced = written
	return nil
}

// allocate sees to it that the file is at least so long, all of it on disk.
func (j *Journal) allocate(length int64) error {
	if length <= j.room {
		return nil
	}
	zeros := make([]byte, length-j.room+reserve)
	_, err := j.file.WriteAt(zeros, j.room)
	if err != nil { // there may be room for what is needed
		zeros = zeros[:length-j.room]
		_, err = j.file.WriteAt(zeros, j.room)
	}
	if err != nil {
		return errors.Join(err, j.file.Truncate(j.room))
	}
	j.room += int64(len(zeros))
	return nil
}

// syncFolder makes a file's name in it safe. Not every system can.
func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // where the user has the output
	if err != nil {
		return err
	}
	_ = folder.Sync()
	return folder.Close()
}

// record is a line.
type record struct {
	Sheet   string    `json:"sheet"`
	At      time.Time `json:"at"`
	Intent  bool      `json:"intent,omitempty"`
	Task    string    `json:"task,omitempty"`
	Refused bool      `json:"refused,omitempty"`
	Result  *Result   `json:"result,omitempty"`
}

// apply changes what is known as the line at that place says.
func (r record) apply(sheets map[string]State, at, length int64) {
	state := sheets[r.Sheet]
	switch {
	case r.Intent:
		state = State{Intended: true}
	case r.Task != "":
		state = State{Intended: true, Task: r.Task, Submitted: r.At}
	case r.Refused:
		state = State{}
	case r.Result != nil:
		state.Done, state.at, state.length = true, at, length
	}
	sheets[r.Sheet] = state
}
