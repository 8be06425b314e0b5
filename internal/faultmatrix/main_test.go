//go:debug x509usefallbackroots=1

// Package faultmatrix runs the relay as it is wired, over real sockets, against
// services that fail in every way that a network and a server have.
//
//	table_test.go        what is expected of each fault: the one place for it
//	matrix_test.go       runs the table, cell by cell
//	docs_test.go         writes the tables into docs/faults.md, and compares
//	bucket_table_test.go the same table for S3, which an upload and a key ask several times
//	bucket_test.go       runs it, and sends each request once more
//	bucket_kinds_test.go S3's own faults, and its requests
//	bucket_rig_test.go   the relay with a bucket that fails
//	bucket_docs_test.go  its part of docs/faults.md
//	kinds_test.go        the faults themselves
//	service_test.go      a server with its connections in hand
//	authority_test.go    its certificates
//	goaway_test.go       just enough HTTP/2 to leave in the middle of it
//	clean_test.go        what the three services answer when all is well
//	rig_test.go          the relay between three services
//	virtual_test.go      the same without sockets, for virtual time
//	canary_test.go       secrets that are looked for in everything written
//	panic_test.go        code that panics with a secret in hand
//	deadline_test.go     whatever hangs, under virtual time
//	concurrency_test.go  64 invocations at a time, for virtual hours
//	bootstrap_test.go    the same on the built function
//	soak_test.go         full speed, random faults, nothing lost, nothing kept
//	soak_world_test.go   which faults, and what may come of them
package faultmatrix

import (
	"bytes"
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"os"
	"sync"
	"testing"

	"omr-relay/internal/app"
)

var update = flag.Bool("update", false, "write the fault matrix into docs/faults.md instead of comparing with it")

// certificates are those of the services that speak TLS.
var certificates *authority

// scratch holds what the tests write; it goes when they are done.
var scratch string

// standardLog takes what net/http and others write past the relay's own log.
var standardLog output

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if scratch, err = os.MkdirTemp("", "omr-relay-faults"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(scratch)
	if certificates, err = newAuthority(); err != nil {
		return 1, err
	}
	// The relay trusts the services as it trusts the real ones, on every system.
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificates.pem)
	x509.SetFallbackRoots(roots)
	// Cells wait most of the time; matrix_test.go sees to it that few work.
	if err := flag.Set("test.parallel", "64"); err != nil {
		return 1, err
	}
	log.SetOutput(app.StandardLog(&standardLog)) // as cmd/relay has it
	code = m.Run()
	if leak := canaries.find(standardLog.bytes()); leak != "" {
		return 1, fmt.Errorf("the standard logger shows %s:\n%s", leak, standardLog.bytes())
	}
	return code, nil
}

// output is a buffer for many to write and a test to read.
type output struct {
	mu  sync.Mutex // guards buf
	buf []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = append(o.buf, p...)
	return len(p), nil
}

// bytes returns a copy of what was written so far.
func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.buf)
}
