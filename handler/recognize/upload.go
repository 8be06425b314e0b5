package recognize

import (
	"context"
	"time"

	"omr-relay/internal/document"
	"omr-relay/internal/problem"
)

// find looks for the image, if it is an upload, and checks it as those are checked
// that come with the request. number is its place there.
func (f *file) find(ctx context.Context, find func(ctx context.Context, caller, id string) (Upload, error), caller string, number int) error {
	if f.upload == "" {
		return nil
	}
	found, err := find(ctx, caller, f.upload)
	if err != nil {
		return err
	}
	if err := checkUpload(number, found); err != nil {
		return err
	}
	f.found = found
	return nil
}

// checkUpload is checkImage for what is not at hand as a whole: a PDF is read from
// its beginning to its end, a TIFF where its pages are listed.
func checkUpload(number int, u Upload) error {
	kind := document.Identify(u.Head())
	if err := checkKind(number, kind); err != nil {
		return err
	}
	pages := 1
	switch kind {
	case document.PDF:
		all, err := u.Open()
		if err != nil {
			return err
		}
		defer all.Close()
		if pages, err = document.PDFPages(all); err != nil {
			return err
		}
	case document.TIFF:
		var err error
		if pages, err = document.TIFFPages(u, u.Size(), 2); err != nil {
			return err
		}
	}
	if pages > 1 {
		return errPages(number, kind, "several")
	}
	return nil
}

// errSlow is for uploads that S3 did not give in the time that there is.
func errSlow() error {
	return &problem.Error{Code: problem.BucketUnavailable, RetryAfter: 5 * time.Second, Reason: "finding the uploads took too long",
		Detail: "The uploads could not be read in time. Nothing was submitted."}
}
