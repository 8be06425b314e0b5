package main

import (
	"bytes"
	"embed"
	"html/template"
	"net"
	"net/http"
	"strings"
)

// The page that start-api serves. It is not part of the function.
//
//go:embed page
var pageFiles embed.FS

// page serves the page at /, and what it needs; it passes every other request on.
type page struct {
	files  map[string]pageFile
	policy string
	of     pageOf
	door   *admission
	next   http.Handler
}

type pageFile struct {
	contentType string
	data        []byte
}

// pageOf is the relay that the page is served with.
type pageOf struct {
	sample bool // its answers are invented
	// bucketURL is where the page may send scans that are too large for a call, and
	// maxUpload how large they may be. A bucket that is not this program's does not let
	// the page do so.
	bucketURL string
	maxUpload int64
}

// largest is how many bytes a scan of the page's may have.
func (of pageOf) largest() (n int64, taker string) {
	if of.bucketURL != "" {
		return of.maxUpload, "the bucket"
	}
	return deployedBytes, "a call"
}

// newPage returns the page for an API with or without keys.
func newPage(door *admission, of pageOf, next http.Handler) (*page, error) {
	p := &page{files: map[string]pageFile{}, of: of, door: door, next: next}
	p.policy = strings.Replace(pagePolicy, "connect-src 'self'", strings.TrimSpace("connect-src 'self' "+of.bucketURL), 1)
	for path, file := range map[string]struct{ name, contentType string }{
		"/page.css": {"page/page.css", "text/css; charset=utf-8"},
		"/page.js":  {"page/page.js", "text/javascript; charset=utf-8"},
	} {
		data, err := pageFiles.ReadFile(file.name)
		if err != nil {
			return nil, err
		}
		p.files[path] = pageFile{file.contentType, data}
	}
	index, err := template.ParseFS(pageFiles, "page/index.html")
	if err != nil {
		return nil, err
	}
	var html bytes.Buffer
	if err := index.Execute(&html, struct{ Sample, Keyed, Bucket bool }{of.sample, len(door.keys) > 0, of.bucketURL != ""}); err != nil {
		return nil, err
	}
	p.files["/"] = pageFile{"text/html; charset=utf-8", html.Bytes()}
	return p, nil
}

// pagePolicy lets the page run its own script and call its own origin, and the bucket
// if it has one, and nothing else: what a scan's name or an answer says can do nothing.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && rawPath(r) == splitPath {
		if _, ok := p.door.admit(w, r); ok {
			p.splitFile(w, r)
		}
		return
	}
	file, ok := p.files[rawPath(r)]
	if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
		p.next.ServeHTTP(w, r)
		return
	}
	// With keys the page is for everybody: it is where one is typed in.
	if len(p.door.keys) == 0 && !p.door.fromHere(w, r) {
		return
	}
	header := w.Header()
	header.Set("Content-Type", file.contentType)
	header.Set("Content-Security-Policy", p.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cache-Control", "no-cache")
	_, _ = w.Write(file.data) // a client that has gone
}

// pageOrigins are those that a browser at this machine may know the page by, and the
// one that is named after the host.
func pageOrigins(host string, listener net.Listener) []string {
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	var origins []string
	for _, name := range []string{"127.0.0.1", "localhost", "::1", host} {
		origins = append(origins, "http://"+strings.ToLower(net.JoinHostPort(name, port)))
	}
	return origins
}
