package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// program is one of the bootstraps that are compared.
type program struct {
	name string
	path string
	size int64 // of the file, in bytes
}

const (
	relayName   = "relay" // the ratios are those of the relay to
	typedName   = "typed"
	libraryName = "lambda.Start"
	floorName   = "floor"
)

// moduleRoot is the directory of the relay's module, of which this one is a part.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "omr-relay").Output() //nolint:noctx // returns at once
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("finding the relay's module: %w\n%s", err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("finding the relay's module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// buildAll builds the relay and its peers with the same flags into dir. The
// path also is a further bootstrap to compare, or empty.
func buildAll(ctx context.Context, root, dir, also string) ([]program, error) {
	peers := filepath.Join(root, "internal", "bench")
	sources := []struct{ name, dir, pkg string }{
		{typedName, peers, "./peers/typed"},
		{"httpadapter", peers, "./peers/httpadapter"},
		{libraryName, peers, "./peers/library"},
		{floorName, peers, "./peers/floor"},
		{relayName, root, "./cmd/relay"},
	}
	var programs []program
	for _, s := range sources {
		p, err := build(ctx, s.name, s.dir, s.pkg, filepath.Join(dir, s.name))
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	for path := range strings.SplitSeq(also, ",") {
		if path == "" {
			continue
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		p, err := newProgram(filepath.Base(path), path)
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	return programs, nil
}

// build compiles a package as the Makefile does for Lambda. The architecture is
// this machine's, at its baseline level.
func build(ctx context.Context, name, dir, pkg, path string, args ...string) (program, error) {
	args = append([]string{"build", "-tags", "lambda.norpc", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", path}, args...)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...) //nolint:gosec // the arguments are this program's
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off", "GOAMD64=v1", "GOARM64=v8.0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return program{}, fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	return newProgram(name, path)
}

func newProgram(name, path string) (program, error) {
	info, err := os.Stat(path)
	if err != nil {
		return program{}, err
	}
	return program{name: name, path: path, size: info.Size()}, nil
}
