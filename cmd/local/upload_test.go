package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/omr"
)

// Whatever fails of an upload has cost nothing: it is tried again, or told.
func TestUploadsThatFail(t *testing.T) {
	s3 := func(status int, code string) func(int, *http.Request, func() (*http.Response, error)) (*http.Response, error) {
		return func(n int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error) {
			if n > 1 {
				return serve()
			}
			return says(r, status, "<Error><Code>"+code+"</Code></Error>")
		}
	}
	for name, c := range map[string]struct {
		scan    omr.Document
		relay   func(n int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error)
		storage func(n int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error)
		waited  string // why, before all went well
		reason  string // why there are no answers
	}{
		"S3 throttles":   {storage: s3(503, "SlowDown"), waited: "1s: the bucket cannot be used: S3 answers 503 SlowDown"},
		"S3 lost it":     {storage: s3(400, "RequestTimeout"), waited: "1s: the bucket cannot be used: S3 answers 400 RequestTimeout"},
		"S3 denies":      {storage: s3(403, "AccessDenied"), reason: "not taken, and not paid for: S3 does not take it: 403 AccessDenied"},
		"S3 redirects":   {storage: s3(307, ""), reason: "not taken, and not paid for: S3 does not take it: 307"},
		"S3 has a limit": {storage: s3(400, "EntityTooLarge"), reason: "not taken, and not paid for: it is larger than the relay's bucket takes (the template's MaxUploadMegabytes)"},
		"the limit of the form": {
			scan: omr.Bytes(largeScan(rigLimit + 1)), reason: "not taken, and not paid for: it is larger than the relay's bucket takes (the template's MaxUploadMegabytes)",
			storage: func(int, *http.Request, func() (*http.Response, error)) (*http.Response, error) {
				t.Error("it was sent")
				return nil, io.ErrUnexpectedEOF
			},
		},
		"it breaks off": {
			storage: func(n int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error) {
				if n > 1 {
					return serve()
				}
				_, _ = io.CopyN(io.Discard, r.Body, 50_000)
				return nil, io.ErrUnexpectedEOF
			},
			waited: "1s: the bucket cannot be used: the upload broke off (connection closed in the middle of the answer)",
		},
		"nothing moves": {
			storage: func(n int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error) {
				if n > 1 {
					return serve()
				}
				<-r.Context().Done()
				return nil, r.Context().Err()
			},
			waited: "1s: the bucket cannot be used: nothing of the upload was taken for two minutes",
		},
		"it moves slowly": {
			storage: func(_ int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error) {
				var whole bytes.Buffer
				for chunk := int64(30_000); ; <-time.After(stalled - time.Second) { // which is virtual
					if n, err := io.CopyN(&whole, r.Body, chunk); n < chunk || err != nil {
						break
					}
				}
				r.Body = io.NopCloser(&whole)
				return serve()
			},
		},
		"no form from the gateway": {
			relay: func(n int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error) {
				if r.URL.Path != "/uploads" || n > 1 {
					return serve()
				}
				return says(r, 502, `{"message":"Internal server error"}`)
			},
			waited: "1s: it answers 502",
		},
		"no form": {
			relay: func(n int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error) {
				if r.URL.Path != "/uploads" || n > 1 {
					return serve()
				}
				return says(r, 200, `{"upload":"00000000000000000000000000000000","url":"http://bucket.example/","fields":{}}`)
			},
			waited: "1s: the bucket cannot be used: the relay's answer is no form for an upload",
		},
		"the file is gone": {
			scan:   omr.Document{Size: 9, Open: func() (io.ReadCloser, error) { return os.Open("testdata/missing") }},
			reason: "not taken, and not paid for: the file cannot be read: no such file or directory",
		},
		"the file is shorter": {scan: changed(-1), reason: "not taken, and not paid for: the file cannot be read: it has changed"},
		"the file is longer":  {scan: changed(1), reason: "not taken, and not paid for: the file cannot be read: it has changed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newUploadRig(t)
				r.relay, r.storage = c.relay, c.storage
				if c.scan.Open == nil {
					c.scan = someScan()
				}
				got, err := r.recognize(t.Context(), t, c.scan)
				if err != nil || got.Reason() != c.reason || got.Answered != (c.reason == "") || c.waited != "" && !r.waited(c.waited) || c.waited == "" && r.told != nil {
					t.Errorf("%+v %v: %q, waited %q", got, err, got.Reason(), r.told)
				}
				if documents, most := r.payments(); got.Answered && (documents != 1 || most != 1) || !got.Answered && documents > 0 {
					t.Errorf("%d documents, paid %d times at most", documents, most)
				}
			})
		})
	}
}

// changed is a file with so many bytes more than it had.
func changed(by int64) omr.Document {
	scan := someScan()
	scan.Size -= by
	return scan
}
