package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"omr-relay/internal/app"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/config"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
	"omr-relay/internal/version"
)

// service is what recognizes: a deployed relay, or the one within.
type service struct {
	client   *omr.Client
	maxBytes int64     // of a scan and its pattern, in a call
	uploader *uploader // of larger ones; nil where there can be none
	key      string    // that calls of a deployed one carry
	sample   bool      // it recognizes nothing
	check    func(context.Context) error
	close    func()
}

const (
	// deployedBytes is what fits, in base64, into the event of 6 MB that Lambda
	// takes, beside headers and what else API Gateway tells.
	deployedBytes = (6<<20 - 16<<10) / 4 * 3
	// withinBytes is the relay's own here: Aspose names no limit.
	withinBytes = 64 << 20
	// sampleBytes is the stand-in's, which takes what API Gateway does.
	sampleBytes = (10<<20 - 16<<10) / 4 * 3
)

const howToConfigure = `nothing is configured that could recognize. Either
  --url URL --key KEY (or OMR_RELAY_URL and OMR_RELAY_KEY)   a relay that you have deployed
  OMR_SECRET_ID and OMR_BASE_URL=https://api.aspose.cloud    the relay in this program, on the real services
  --sample                                                   a stand-in, whose answers are invented`

// chooseService takes what the flags say, and else the environment.
func chooseService(ctx context.Context, c console, o recognizeOptions) (*service, error) {
	address, key := o.url, o.key
	if address == "" {
		address = c.getenv("OMR_RELAY_URL")
	}
	if key == "" {
		key = c.getenv("OMR_RELAY_KEY")
	}
	secret, upstream := c.getenv("OMR_SECRET_ID"), c.getenv("OMR_BASE_URL")
	switch {
	case o.sample && o.batch:
		return nil, &usageError{"--sample and --batch exclude one another: a batch runs at a deployed relay"}
	case o.batch && address == "":
		return nil, &usageError{"--batch starts a batch at a relay that you have deployed: name it with --url URL --key KEY (or OMR_RELAY_URL and OMR_RELAY_KEY)"}
	case o.sample && o.url != "":
		return nil, &usageError{"--sample and --url exclude one another"}
	case o.sample:
		getenv := c.getenv
		c.getenv = func(name string) string {
			if strings.HasPrefix(name, "OMR_") {
				return ""
			}
			return getenv(name)
		}
		return within(ctx, c, sampleBytes)
	case address != "":
		return deployed(address, key)
	case secret != "" && upstream != "":
		return within(ctx, c, withinBytes)
	case secret != "":
		return nil, &usageError{"OMR_SECRET_ID is set, and OMR_BASE_URL is not: set it to https://api.aspose.cloud, or ask for --sample"}
	case upstream != "":
		return nil, &usageError{"OMR_BASE_URL is set, and OMR_SECRET_ID is not: set it to the name of the secret, or ask for --sample"}
	default:
		return nil, &usageError{howToConfigure}
	}
}

// within is the relay in this program. Its log is not shown: what fails is told
// of the sheets.
func within(ctx context.Context, c console, maxBytes int64) (*service, error) {
	w, err := wire(ctx, c)
	if err != nil {
		return nil, err
	}
	w.announce(false)
	w.cfg.Bucket = "" // Aspose takes scans of any size
	relay := app.New(w.cfg, app.Options{AWS: w.aws})
	return &service{
		client:   &omr.Client{Transport: relay.Upstream, BaseURL: w.cfg.BaseURL},
		maxBytes: maxBytes,
		sample:   maxBytes == sampleBytes,
		check:    func(context.Context) error { return nil }, // the first submission goes alone, and tells
		close:    w.close,
	}, nil
}

// deployed is a relay somewhere else. Its v5 routes are called, and not POST
// /recognize: a submission there does nothing but submit, so that its answer comes
// soon and is the one id that the journal needs.
func deployed(address, key string) (*service, error) {
	base, err := config.ParseURL(strings.TrimSuffix(address, "/"))
	if err != nil {
		return nil, &usageError{"--url: " + err.Error()}
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, &usageError{"--key has characters that no key has"}
	}
	transport := &keyed{key: key, next: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: maxJobs, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: time.Minute,
	}}
	header := http.Header{"User-Agent": {version.UserAgent}}
	storage := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 1, IdleConnTimeout: 3 * time.Second, // S3 closes them soon
		ResponseHeaderTimeout: stalled,
	}
	return &service{
		client:   &omr.Client{Transport: transport, BaseURL: base, Header: header},
		maxBytes: deployedBytes,
		key:      key,
		uploader: &uploader{relay: transport, base: base, storage: storage, header: header},
		check:    func(ctx context.Context) error { return checkRelay(ctx, transport, base) },
		close: func() {
			transport.next.CloseIdleConnections()
			storage.CloseIdleConnections()
		},
	}, nil
}

// keyed attaches the caller's key, and records whether a call may have been
// received.
type keyed struct {
	key  string
	next *http.Transport
}

func (k *keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	record := callrecord.From(r.Context())
	record.Sent = false
	record.UpstreamCalls++
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { record.Sent = true },
	}))
	if k.key != "" {
		r.Header = r.Header.Clone()
		r.Header.Set("Authorization", "Bearer "+k.key)
	}
	return k.next.RoundTrip(r)
}

// checkRelay asks whether a relay is there and takes the key: that costs nothing.
func checkRelay(ctx context.Context, transport *keyed, base *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("healthz").String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("asking the relay: %w", err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("%s cannot be reached: %s", base.Redacted(), problem.Describe(err))
	}
	defer resp.Body.Close()
	var answer struct{ Status string }
	switch err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer); {
	case resp.StatusCode == http.StatusUnauthorized && transport.key != "":
		return errors.New("the relay answers 401: what was given cannot be an API key, which has 20 to 128 characters")
	case resp.StatusCode == http.StatusUnauthorized:
		return errors.New("the relay answers 401: give its API key with --key, or in OMR_RELAY_KEY")
	case resp.StatusCode == http.StatusForbidden:
		return errors.New("the relay answers 403: the key is not one of its keys, or the URL is wrong (the output ApiUrl of the stack)")
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode >= 500:
		return fmt.Errorf("the relay answers %d: try again later", resp.StatusCode)
	case err != nil, resp.StatusCode != http.StatusOK, answer.Status != "ok":
		return fmt.Errorf("%s answers %d, and not as a relay does: it is the output ApiUrl of the stack", base.Redacted(), resp.StatusCode)
	}
	return nil
}
