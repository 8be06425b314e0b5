package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority is the certificate authority of the TLS scenarios, and the bundle
// of roots that the programs are told to trust.
type authority struct {
	dir    string // SSL_CERT_DIR
	bundle string // SSL_CERT_FILE, which lies in dir
	leaf   tls.Certificate
}

// rootCount is about how many roots Amazon Linux trusts. Programs that load
// their roots pay for each; as there, the directory holds the bundle once more.
const rootCount = 140

// newAuthority makes the certificates and writes the bundle below dir.
func newAuthority(dir string) (*authority, error) {
	a := &authority{dir: filepath.Join(dir, "certs")}
	a.bundle = filepath.Join(a.dir, "ca-bundle.crt")
	if err := os.Mkdir(a.dir, 0o700); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root, err := newCertificate(0, nil, key, key.Public())
	if err != nil {
		return nil, err
	}
	if err := a.writeBundle(root, key); err != nil {
		return nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := newCertificate(rootCount, root, key, leafKey.Public())
	if err != nil {
		return nil, err
	}
	a.leaf = tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey}
	return a, nil
}

// writeBundle writes our root in the middle of others that are not used. Most
// public roots have RSA keys.
func (a *authority) writeBundle(root *x509.Certificate, key crypto.Signer) error {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	var bundle bytes.Buffer
	for i := range rootCount {
		cert := root
		if i != rootCount/2 {
			if cert, err = newCertificate(i, root, key, other.Public()); err != nil {
				return err
			}
		}
		if err := pem.Encode(&bundle, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}); err != nil {
			return err
		}
	}
	return os.WriteFile(a.bundle, bundle.Bytes(), 0o600)
}

// newCertificate signs a certificate for the key public: an authority's, or for
// the serial rootCount the server's. A nil parent makes it self-signed.
func newCertificate(serial int, parent *x509.Certificate, signer crypto.Signer, public crypto.PublicKey) (*x509.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(int64(serial) + 1),
		Subject:               pkix.Name{CommonName: fmt.Sprintf("omr-relay benchmark %d", serial)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  serial != rootCount,
	}
	if serial == rootCount {
		template.KeyUsage = x509.KeyUsageDigitalSignature
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// server is the configuration of a server that offers these protocols.
func (a *authority) server(protocols ...string) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.leaf}, NextProtos: protocols, MinVersion: tls.VersionTLS12}
}
