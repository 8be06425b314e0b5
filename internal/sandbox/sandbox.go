// Package sandbox holds stand-ins for the services the relay talks to: AWS
// Secrets Manager, Amazon S3, the OAuth 2.0 token endpoint and Aspose.OMR Cloud.
//
// They speak the wire protocols closely enough that the real SDK client and
// the real relay cannot tell the difference, but they recognize nothing: every
// result is a fixed sample and says so. Nothing is kept beyond the process.
//
// The package serves cmd/local and tests. It must never be linked into
// cmd/relay.
//
// Each stand-in is an [http.Handler] whose zero value works. All methods may be
// called concurrently, also while requests are being served; exported fields
// are set before the first request.
package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// The secret that [New] stores and the credentials it holds. The client secret
// contains characters that a form body must percent-encode.
const (
	DefaultSecretID     = "omr-relay/sandbox"
	DefaultClientID     = "sandbox-client"
	DefaultClientSecret = "sandbox+secret&100%=fake/"
)

// TokenPath is where the token endpoint is served.
const TokenPath = "/connect/token"

// Sandbox is the stand-ins wired together: Aspose takes the tokens that Token
// issued, and Token takes the credentials that Secrets holds.
type Sandbox struct {
	Secrets *SecretsManager
	S3      *S3
	Token   *TokenService
	Aspose  *Aspose

	url, secretsURL, s3URL string
	servers                []*http.Server
	serving                sync.WaitGroup
}

// New returns wired stand-ins that do not listen yet. [Sandbox.Listen] puts
// them on sockets, [InProcess] reaches them without any.
func New() *Sandbox {
	s := &Sandbox{Secrets: &SecretsManager{}, S3: &S3{}, Token: &TokenService{}}
	s.Aspose = &Aspose{Valid: s.Token.Valid}
	s.Rotate(DefaultClientID, DefaultClientSecret)
	return s
}

// Start is [New] followed by [Sandbox.Listen].
func Start() (*Sandbox, error) {
	s := New()
	if err := s.Listen(); err != nil {
		return nil, err
	}
	return s, nil
}

// Listen serves the stand-ins on three free loopback ports: [Sandbox.Upstream] on
// one, Secrets Manager and S3 on the others. It returns once all accept connections
// and is called at most once.
func (s *Sandbox) Listen() error {
	var err error
	if s.url, err = s.serve(s.Upstream()); err == nil {
		s.secretsURL, err = s.serve(s.Secrets)
	}
	if err == nil {
		s.s3URL, err = s.serve(s.S3)
	}
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

func (s *Sandbox) serve(h http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listening on loopback: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, srv)
	s.serving.Go(func() { _ = srv.Serve(l) }) // ends with ErrServerClosed in Close
	return "http://" + l.Addr().String(), nil
}

// Upstream serves the token endpoint at [TokenPath] and Aspose everywhere else.
func (s *Sandbox) Upstream() http.Handler {
	// A ServeMux would redirect unclean paths, and the test that sends one must
	// see it arrive.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == TokenPath {
			s.Token.ServeHTTP(w, r)
			return
		}
		s.Aspose.ServeHTTP(w, r)
	})
}

// URL is the base URL of the token endpoint and Aspose, without a trailing
// slash; empty before [Sandbox.Listen].
func (s *Sandbox) URL() string { return s.url }

// TokenURL is the token endpoint's URL.
func (s *Sandbox) TokenURL() string { return s.url + TokenPath }

// SecretsURL is the endpoint of Secrets Manager, as
// AWS_ENDPOINT_URL_SECRETS_MANAGER takes it; empty before [Sandbox.Listen].
func (s *Sandbox) SecretsURL() string { return s.secretsURL }

// AWSConfig returns a configuration that points any AWS client at the sandbox's
// Secrets Manager. Clients make one attempt a call, so that a test with an
// injected fault neither waits nor counts retries.
func (s *Sandbox) AWSConfig() aws.Config {
	return aws.Config{
		Region:           region,
		Credentials:      credentials.NewStaticCredentialsProvider(DefaultAccessKeyID, DefaultSecretAccessKey, ""),
		BaseEndpoint:     aws.String(s.secretsURL),
		RetryMaxAttempts: 1,
	}
}

// S3Config is AWSConfig for S3, whose bucket is [DefaultBucket] unless it was given
// another.
func (s *Sandbox) S3Config() aws.Config {
	cfg := s.AWSConfig()
	cfg.BaseEndpoint = aws.String(s.s3URL)
	return cfg
}

// Rotate stores credentials as the new AWSCURRENT version of
// [DefaultSecretID], makes them the only ones the token endpoint takes, and
// returns the version id. Tokens issued earlier stay valid.
func (s *Sandbox) Rotate(clientID, clientSecret string) (versionID string) {
	value, err := json.Marshal(map[string]string{"client_id": clientID, "client_secret": clientSecret})
	if err != nil {
		panic(err) // two strings always marshal
	}
	// In this order nobody reads new credentials that are not accepted yet.
	s.Token.Accept(clientID, clientSecret)
	return s.Secrets.Put(DefaultSecretID, string(value))
}

// Close drops all connections and frees the ports. Handlers that still run see
// their request's context end. Calling it again does nothing.
func (s *Sandbox) Close() error {
	var errs []error
	for _, srv := range s.servers {
		errs = append(errs, srv.Close())
	}
	s.serving.Wait()
	return errors.Join(errs...)
}
