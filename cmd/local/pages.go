package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"omr-relay/internal/scans"
)

// splitPath is where the page has a PDF or TIFF taken apart: a browser cannot do
// it, and the relay does not, here or deployed.
const splitPath = "/page/split"

const splitLimit = 64 << 20

// splitFile answers the file in the body with its pages, in base64.
func (p *page) splitFile(w http.ResponseWriter, r *http.Request) {
	pages, status, fault := p.splitBody(http.MaxBytesReader(w, r.Body, splitLimit))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A client that has gone.
	_ = json.NewEncoder(w).Encode(struct {
		Pages  [][]byte `json:"pages,omitempty"`
		Detail string   `json:"detail,omitempty"`
	}{pages, fault})
}

func (p *page) splitBody(body io.Reader) (pages [][]byte, status int, fault string) {
	const failed = "The pages cannot be kept on this machine's disk."
	dir, err := os.MkdirTemp("", "omr-relay-page-")
	if err != nil {
		return nil, http.StatusInternalServerError, failed
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system's folder for such files
	path := filepath.Join(dir, "file")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // a folder of this function's own
	if err != nil {
		return nil, http.StatusInternalServerError, failed
	}
	_, err = io.Copy(file, body)
	if err := errors.Join(err, file.Close()); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, http.StatusRequestEntityTooLarge, "The file is larger than " + size(splitLimit) + "."
		}
		return nil, http.StatusBadRequest, "The file did not arrive whole."
	}
	sheet, taker := p.of.largest()
	set, err := scans.Find([]string{path}, scans.Limits{Sheet: sheet, Taker: taker, File: splitLimit, Pages: maxPages, Count: maxPages})
	if err != nil {
		return nil, http.StatusInternalServerError, failed
	}
	defer func() { _ = set.Close() }() // likewise
	if len(set.Faults) > 0 {
		return nil, http.StatusUnprocessableEntity, set.Faults[0].Reason
	}
	for i := range set.Sheets {
		opened, err := set.Sheets[i].Open()
		if err != nil {
			return nil, http.StatusInternalServerError, failed
		}
		data, err := io.ReadAll(opened)
		if err := errors.Join(err, opened.Close()); err != nil {
			return nil, http.StatusInternalServerError, failed
		}
		pages = append(pages, data)
	}
	return pages, http.StatusOK, ""
}
