package scans

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"

	"omr-relay/internal/document"
)

// A diskError is of this machine's, not of the file that is split.
type diskError struct{ err error }

func (e *diskError) Error() string { return "keeping a page: " + e.err.Error() }
func (e *diskError) Unwrap() error { return e.err }

// split adds the pages of a file as sheets. The Content of a page is its own: once a
// page was added to a file, the others are known from the file before.
func (f *finder) split(file file, seen *inspected) error {
	if seen.pages > f.limits.Pages {
		f.fault(file, fmt.Sprintf("%d pages; this takes %d in a file", seen.pages, f.limits.Pages))
		return nil
	}
	var sheets []Sheet
	count := 0
	keep := func(page int, r io.Reader) error {
		if page > f.limits.Pages {
			return fmt.Errorf("more than the %d pages that this takes in a file", f.limits.Pages)
		}
		if count = page; f.limits.Whole {
			return nil
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		path, err := f.write(data)
		if err != nil {
			return &diskError{err}
		}
		content, err := pageContent(data, seen.kind)
		if err != nil {
			return errNotTakenApart
		}
		sheets = append(sheets, Sheet{Name: file.name + "#" + strconv.Itoa(page), Content: content, Size: int64(len(data)), Pages: 1, path: path})
		return nil
	}
	pages := tiffPages
	if seen.kind == document.PDF {
		pages = pdfPages
	}
	err := pages(seen.data, keep)
	if disk, ok := errors.AsType[*diskError](err); ok {
		return disk
	}
	switch {
	case err != nil:
		f.fault(file, err.Error())
	case count == 0:
		f.fault(file, "no pages in it")
	case count == 1 || f.limits.Whole:
		// What could not be counted turned out to be one page: it goes as it is.
		f.add(Sheet{Name: file.name, Content: seen.hash, Size: seen.size, Pages: count, path: file.path})
	default:
		for _, s := range sheets {
			f.add(s)
		}
	}
	return nil
}

// write keeps a page on disk.
func (f *finder) write(data []byte) (path string, err error) {
	if f.set.dir == "" {
		if f.set.dir, err = os.MkdirTemp("", "omr-relay-pages-"); err != nil {
			return "", err
		}
	}
	page, err := os.OpenFile(filepath.Join(f.set.dir, strconv.Itoa(f.pages())), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = page.Write(data)
	return page.Name(), errors.Join(err, page.Close())
}

// pageContent is what a page is known by.
func pageContent(data []byte, kind document.Kind) (string, error) {
	if kind == document.PDF {
		return pdfContent(data)
	}
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:]), nil
}

var errNotTakenApart = errors.New("a PDF that cannot be taken apart: print it to PDF anew, or scan to JPEG")

var withoutConfigFile = sync.OnceFunc(api.DisableConfigDir) // else it writes one into the user's home

// pdfPages calls keep with each page of a PDF, in order. Pages are taken apart and
// not rendered: what is on them stays as it is, whatever its compression.
func pdfPages(data []byte, keep func(page int, data io.Reader) error) (err error) {
	withoutConfigFile()
	defer func() {
		if p := recover(); p != nil { // a library's, in a file that anybody can have made
			err = errNotTakenApart
		}
	}()
	var kept error
	err = api.ExtractPages(bytes.NewReader(data), nil, func(page io.Reader, number int) error {
		kept = keep(number, page)
		return kept
	}, model.NewDefaultConfiguration())
	switch {
	case kept != nil:
		return kept
	case err != nil && bytes.Contains(data, []byte("/Encrypt")):
		return errors.New("an encrypted PDF: save it without a password")
	case err != nil:
		return errNotTakenApart
	}
	return nil
}
