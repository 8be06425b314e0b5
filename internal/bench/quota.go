package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// quota is a cgroup that lets its processes use a share of one CPU.
type quota struct{ dir string }

const (
	// fullCPU is the memory, in MB, with which a function gets a whole CPU, and less by
	// as much as it has less: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
	fullCPU = 1769
	// A short period spreads the share evenly, so that no call is lucky enough
	// to fit into what was saved up.
	quotaPeriod = 20 * time.Millisecond
)

// unavailableError is why a scenario cannot run on this machine.
type unavailableError struct{ err error }

func (e *unavailableError) Error() string { return e.err.Error() }
func (e *unavailableError) Unwrap() error { return e.err }

// shareOf is what a function of so much memory, in MB, gets of a CPU.
func shareOf(memory int) float64 { return min(float64(memory)/fullCPU, 1) }

// newQuota makes the cgroup: of version 2 where the CPU controller is there, or
// else of version 1. The error is an [*unavailableError].
func newQuota(name string, share float64) (*quota, error) {
	name = "omr-relay-bench-" + strconv.Itoa(os.Getpid()) + "-" + name
	period := quotaPeriod.Microseconds()
	slice := int64(share * float64(period))
	q, err := newGroup("/sys/fs/cgroup", name, map[string]string{"cpu.max": fmt.Sprintf("%d %d", slice, period)})
	if err == nil {
		return q, nil
	}
	for _, mount := range []string{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"} {
		q, errV1 := newGroup(mount, name, map[string]string{
			"cpu.cfs_period_us": strconv.FormatInt(period, 10),
			"cpu.cfs_quota_us":  strconv.FormatInt(slice, 10),
		})
		if errV1 == nil {
			return q, nil
		}
		err = errors.Join(err, errV1)
	}
	return nil, &unavailableError{fmt.Errorf("no cgroup can be made: %w", err)}
}

// newGroup makes a cgroup below mount with these settings.
func newGroup(mount, name string, settings map[string]string) (*quota, error) {
	controllers, err := os.ReadFile(filepath.Join(mount, "cgroup.controllers")) //nolint:gosec // below /sys
	_, v2 := settings["cpu.max"]
	if v2 && err != nil {
		return nil, err
	}
	if v2 && !strings.Contains(" "+strings.TrimSpace(string(controllers))+" ", " cpu ") {
		return nil, fmt.Errorf("%s has no CPU controller", mount)
	}
	q := &quota{dir: filepath.Join(mount, name)}
	if err := os.Mkdir(q.dir, 0o750); err != nil {
		return nil, err
	}
	for file, value := range settings {
		// Without O_CREATE: where the controller is missing, so is the file.
		if err := write(filepath.Join(q.dir, file), value); err != nil {
			return nil, errors.Join(err, os.Remove(q.dir))
		}
	}
	return q, nil
}

// add moves a process with all its threads into the group.
func (q *quota) add(pid int) error {
	return write(filepath.Join(q.dir, "cgroup.procs"), strconv.Itoa(pid))
}

// remove deletes the group, whose processes must have ended.
func (q *quota) remove() error { return os.Remove(q.dir) }

func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // below /sys
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
