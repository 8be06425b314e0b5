package lambdaruntimetest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build builds the function from the module at root to path, as the Makefile
// does, or with the race detector. It blocks until the compiler is done.
func Build(root, path string, race bool) error {
	if err := touch(root); err != nil {
		return fmt.Errorf("looking at the function's sources: %w", err)
	}
	args, cgo := []string{"build", "-tags", "lambda.norpc", "-trimpath", "-ldflags=-s -w -buildid="}, "CGO_ENABLED=0"
	if race {
		args, cgo = []string{"build", "-race"}, "CGO_ENABLED=1"
	}
	cmd := exec.Command("go", append(args, "-o", path, "./cmd/relay")...) //nolint:gosec,noctx // the path is the test's; go test has a time limit of its own
	cmd.Dir, cmd.Env = root, append(cmd.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the function: %w\n%s", err, out)
	}
	return nil
}

// touch looks at every source that the function may be made of: go test takes a
// result from its cache as long as the files that the test itself asked for have
// not changed.
func touch(root string) error {
	for _, dir := range []string{"cmd/relay", "handler", "secrets", "internal"} {
		top := filepath.Join(root, dir)
		err := fs.WalkDir(os.DirFS(top), ".", func(name string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(name, ".go") {
				_, err = os.Stat(filepath.Join(top, name))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
