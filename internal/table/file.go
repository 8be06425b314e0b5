package table

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File writes what write does into a file that appears whole, with everything in
// it on disk, or not at all: one that was there before stays until then. It is
// made beside its place and renamed.
func File(path string, write func(io.Writer) error) error {
	file, err := create(path)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(file, 64<<10)
	err = write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path, cause(err)), os.Remove(file.Name()))
	}
	return nil
}

// Writable reports why [File] could not write there, before there is anything to
// write.
func Writable(path string) error {
	file, err := create(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// create opens a new file beside path, which is no link, device or folder.
func create(path string) (*os.File, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("writing %s: there is something else than a file", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("writing %s: %w", path, cause(err))
	}
	// A table has the mode that other files of the user's have.
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".part")
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666) //nolint:gosec // see above; the user named it
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", path, cause(err))
	}
	return file, nil
}

// cause is an error's text without the path, which is said in other words.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
