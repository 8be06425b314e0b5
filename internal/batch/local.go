package batch

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
)

// draft is a file of this machine's that is being written. Its errors show in the end.
type draft struct {
	*bufio.Writer

	file *os.File
}

func newDraft() (*draft, error) {
	file, err := os.CreateTemp("", "batch-")
	if err != nil {
		return nil, unavailable("keeping a file", err)
	}
	return &draft{bufio.NewWriterSize(file, 1<<16), file}, nil
}

// read flushes the draft and returns it from its beginning.
func (d *draft) read() (*os.File, error) {
	if err := d.Flush(); err != nil {
		return nil, unavailable("keeping a file", err)
	}
	if _, err := d.file.Seek(0, io.SeekStart); err != nil {
		return nil, unavailable("reading what was kept", err)
	}
	return d.file, nil
}

func (d *draft) remove() {
	_ = d.file.Close()
	_ = os.Remove(d.file.Name())
}

// store writes a draft to the bucket.
func (r *Runner) store(ctx context.Context, key string, d *draft, contentType string) error {
	file, err := d.read()
	if err != nil {
		return err
	}
	if err := r.Files.Write(ctx, key, file, contentType); err != nil {
		return unavailable("writing to the bucket", err)
	}
	return nil
}

// load makes a draft of what open returns: it may take longer to be worked through
// than S3 waits for a reader.
func load(open func() (io.ReadCloser, error)) (*draft, error) {
	body, err := open()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	d, err := newDraft()
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(d, body)
	if _, readErr := d.read(); err == nil {
		err = readErr
	}
	if err != nil {
		d.remove()
		return nil, err
	}
	return d, nil
}

// loadObject makes a draft of an object.
func (r *Runner) loadObject(ctx context.Context, key string) (*draft, error) {
	return load(func() (io.ReadCloser, error) {
		body, _, err := r.Files.Read(ctx, key)
		return body, err
	})
}

// read returns a small object.
func (r *Runner) read(ctx context.Context, key string, most int64) ([]byte, error) {
	body, _, err := r.Files.Read(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, most+1))
	if err == nil && int64(len(data)) > most {
		err = errTooLarge
	}
	return data, err
}

var errTooLarge = errors.New("too large")
