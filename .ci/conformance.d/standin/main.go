// Command standin serves the sandbox as a process of its own, for relays that
// run in containers and under emulators: over HTTP and TLS on loopback, over TLS
// where containers reach it. What arrived is told, and rotation steered, on a third
// address; no body, token or credential ever is told there.
//
//	standin -tls ADDRESS -ca FILE
//
// writes the certificate of a fresh authority to FILE, prints the addresses as
// shell assignments once all of them accept connections, and serves until it is
// ended by a signal.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"omr-relay/internal/sandbox"
)

func main() {
	tlsAddress := flag.String("tls", "127.0.0.1:0", "")
	caFile := flag.String("ca", "", "")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *tlsAddress, *caFile)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends or a listener fails.
func run(ctx context.Context, tlsAddress, caFile string) error {
	services := sandbox.New()
	services.Token.AcceptAny()
	services.Aspose.Record(1)
	counted := &submissions{next: services.Upstream()}

	certificate, err := newCertificate(caFile)
	if err != nil {
		return err
	}
	failed := make(chan error, 4)
	var servers []*http.Server
	serve := func(address string, h http.Handler, secure bool) (host string, err error) {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return "", fmt.Errorf("opening %s: %w", address, err)
		}
		server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, server)
		if secure {
			server.TLSConfig = certificate
			go func() { failed <- server.ServeTLS(listener, "", "") }()
		} else {
			go func() { failed <- server.Serve(listener) }()
		}
		return listener.Addr().String(), nil
	}
	defer func() {
		for _, server := range servers {
			_ = server.Close()
		}
	}()

	var plain, secure, local, control string
	if plain, err = serve("127.0.0.1:0", counted, false); err != nil {
		return err
	}
	if secure, err = serve(tlsAddress, counted, true); err != nil {
		return err
	}
	if local, err = serve("127.0.0.1:0", counted, true); err != nil {
		return err
	}
	if control, err = serve("127.0.0.1:0", newControl(services, counted), false); err != nil {
		return err
	}
	named := func(host, address string) string {
		_, port, _ := net.SplitHostPort(address) // of a listener's own making
		return net.JoinHostPort(host, port)
	}
	_, err = fmt.Printf("STANDIN_HTTP=http://%s\nSTANDIN_HTTPS=https://%s\nSTANDIN_TLS=https://%s\nSTANDIN_CONTROL=http://%s\n",
		plain, named(containerHost, secure), named("localhost", local), control)
	if err != nil {
		return fmt.Errorf("printing the addresses: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return errors.Join(errors.New("serving"), err)
	}
}
