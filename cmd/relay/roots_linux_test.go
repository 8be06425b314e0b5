package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/app"
	"omr-relay/internal/sandbox"
)

// layout makes, below a directory of its own, what the lines say: files
// "NAME: ROOT ROOT", links "NAME -> TARGET" and directories "NAME/".
func layout(t *testing.T, lines ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, line := range lines {
		var err error
		name, content, _ := strings.Cut(line, ": ")
		if link, target, ok := strings.Cut(line, " -> "); ok {
			err = os.Symlink(target, filepath.Join(dir, link))
		} else if strings.HasSuffix(line, "/") {
			err = os.Mkdir(filepath.Join(dir, line), 0o700)
		} else {
			var text []byte
			for root := range strings.FieldsSeq(content) {
				text = append(text, roots[root]...)
			}
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// roots are certificates in PEM, by name.
var roots = map[string][]byte{"a": newRoot("a"), "b": newRoot("b"), "c": newRoot("c")}

func newRoot(name string) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// amazon is what Amazon Linux has, and Go's own lists of places say where.
var amazon = []string{
	"pem/", "pem/bundle: a b", "pki/", "pki/ca-bundle.crt -> ../pem/bundle", "pki/same.crt -> ca-bundle.crt", "certs -> pki",
}

func TestReadOnce(t *testing.T) {
	for _, tt := range []struct {
		name      string
		layout    []string
		file, dir string // SSL_CERT_FILE and SSL_CERT_DIR; "" is unset
		wantDirs  string // "" where everything stays as it is
	}{
		{"Amazon Linux", amazon, "", "", "certs"},
		{"two directories", []string{"certs/", "certs/ca-certificates.crt: a", "certs/b.pem: b", "pki/", "pki/c.pem: c"}, "", "", "certs:pki"},
		{"one directory", []string{"pki/", "pki/ca-bundle.crt: a"}, "", "", "pki"},
		{"no bundle", []string{"certs/", "certs/a.pem: a"}, "", "", ""},
		{"nothing", nil, "", "", ""},
		{"a directory by the bundle's name", []string{"certs/", "certs/ca-certificates.crt/", "other: a"}, "", "", ""},
		{"a file in place of a directory", []string{"certs: a"}, "", "", ""},
		{"own file", append(amazon, "own: c"), "own", "", ""},
		{"own file that is missing", amazon, "own", "", ""},
		{"own directory", append(amazon, "own/", "own/c.pem: c"), "", "own", ""},
		{"own file in own directory", []string{"own/", "own/c.pem: c", "own/a.pem: a"}, "own/c.pem", "own", "own"},
		{"own directories", []string{"own/", "own/c.pem: c", "more/", "more/a.pem: a"}, "own/c.pem", "own:more:none:own", "own:more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(layout(t, tt.layout...))
			file, dirs, ok := readOnce(env(map[string]string{certFile: tt.file, certDir: tt.dir}),
				[]string{"certs/ca-certificates.crt", "pki/ca-bundle.crt"}, []string{"certs", "pki"})
			if dirs != tt.wantDirs || ok != (tt.wantDirs != "") || ok && file != os.DevNull {
				t.Errorf("got %q, %q, %v; want directories %q", file, dirs, ok, tt.wantDirs)
			}
		})
	}
}

// What crypto/x509 trusts in the end is the same set, whoever loads it.
func TestLoadRootsKeepsTheSet(t *testing.T) {
	for _, tt := range []struct {
		name      string
		layout    []string
		file, dir string
		want      string
	}{
		{"bundle in a directory", amazon, "pki/ca-bundle.crt", "certs:pki", "ab"},
		{"more in its directory", append(amazon, "pki/c.pem: c"), "pki/ca-bundle.crt", "certs:pki", "abc"},
		{"more in the other", append(amazon, "own/", "own/c.pem: c"), "pki/ca-bundle.crt", "pki:own", "abc"},
		{"bundle elsewhere", amazon, "pem/bundle", "none", "ab"},
		{"directories alone", append(amazon, "own/", "own/c.pem: c"), "none", "own", "c"},
		{"link to a neighbour", []string{"own/", "own/a.pem: a", "own/link -> a.pem"}, "own/link", "own", "a"},
		{"link from without", []string{"own/", "own/a.pem: a", "b: b", "own/b.pem -> ../b", "link -> own/a.pem"}, "link", "own", "ab"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := layout(t, tt.layout...)
			for _, how := range []string{"left alone", "loaded"} {
				cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTrusted$", "-test.v", "--", how)
				cmd.Dir = dir
				cmd.Env = []string{
					certFile + "=" + tt.file, certDir + "=" + tt.dir,
					"ROOT_A=" + string(roots["a"]), "ROOT_B=" + string(roots["b"]), "ROOT_C=" + string(roots["c"]),
					"GORACE=atexit_sleep_ms=0", // it would sleep for a second
				}
				out, err := cmd.CombinedOutput()
				if want := "trusted: " + tt.want + "\n"; err != nil || !strings.Contains(string(out), want) {
					t.Errorf("%s: %v, want %q:\n%s", how, err, want, out)
				}
			}
		})
	}
}

// They are loaded where there will be a handshake, beside all the rest.
func TestRunLoadsRoots(t *testing.T) {
	sb := startSandbox(t)
	sb.Secrets.Fail(sandbox.AccessDenied, 1)
	asked := make(chan struct{})
	once := sync.OnceFunc(func() { close(asked) })
	vars := env(map[string]string{
		"OMR_SECRET_ID": sandbox.DefaultSecretID, "OMR_BASE_URL": "https://127.0.0.1:1", certFile: "none", certDir: "none",
	})
	err := run(t.Context(), func(name string) string {
		if name == certDir {
			once()
		}
		return vars(name)
	}, io.Discard, func(*app.Relay) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-asked:
	case <-time.After(10 * time.Second):
		t.Error("nobody asked where they are")
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// Variables that were not set are not set afterwards.
func TestOverride(t *testing.T) {
	const name = "OMR_RELAY_TEST_OVERRIDE"
	back := override(name, "x")
	if os.Getenv(name) != "x" {
		t.Error("not set")
	}
	back()
	if value, set := os.LookupEnv(name); set {
		t.Errorf("still %q", value)
	}
}

// TestTrusted is the process that TestLoadRootsKeepsTheSet starts.
func TestTrusted(t *testing.T) {
	if flag.NArg() != 1 {
		t.Skip("part of another test")
	}
	if flag.Arg(0) == "loaded" {
		before := os.Environ()
		loadRoots(os.Getenv)
		if after := os.Environ(); !slices.Equal(sorted(before), sorted(after)) {
			t.Errorf("the environment is %q afterwards", after)
		}
	}
	var trusted strings.Builder
	for _, name := range []string{"a", "b", "c"} {
		block, _ := pem.Decode([]byte(os.Getenv("ROOT_" + strings.ToUpper(name))))
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{}); err == nil {
			trusted.WriteString(name)
		}
	}
	t.Log("trusted: " + trusted.String())
}
