// Package config reads the relay's own part of the environment.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Config is the relay's own part of the environment.
type Config struct {
	SecretID       string        // OMR_SECRET_ID: name or ARN
	BaseURL        *url.URL      // OMR_BASE_URL
	TokenURL       *url.URL      // OMR_TOKEN_URL
	WarmupInterval time.Duration // OMR_WARMUP_INTERVAL
	Streaming      bool          // OMR_STREAMING
	AllowOrigin    string        // OMR_ALLOW_ORIGIN: one origin, or empty
	Bucket         string        // OMR_BUCKET: a name, or empty
	MaxUpload      int64         // OMR_MAX_UPLOAD_MEGABYTES, in bytes
	LogLevel       slog.Level    // AWS_LAMBDA_LOG_LEVEL
}

const (
	defaultBaseURL        = "https://api.aspose.cloud"
	defaultWarmupInterval = 5 * time.Minute
	tokenPath             = "/connect/token"

	// In megabytes. What takes an invocation longer to pass on than it has is of no
	// use to anybody.
	defaultMaxUpload = 50
	maxMaxUpload     = 200
)

// FromEnv reads the configuration through getenv. Its error holds every
// fault at once, each named by its variable; values are not repeated, for a
// secret may have been put into the wrong one.
func FromEnv(getenv func(string) string) (Config, error) {
	var faults []error
	fault := func(name, format string, args ...any) {
		faults = append(faults, fmt.Errorf(name+": "+format, args...))
	}
	c := Config{SecretID: getenv("OMR_SECRET_ID"), WarmupInterval: defaultWarmupInterval}
	if c.SecretID == "" {
		fault("OMR_SECRET_ID", "not set; it is the name or ARN of the secret with client_id and client_secret")
	}
	base := getenv("OMR_BASE_URL")
	if base == "" {
		base = defaultBaseURL
	}
	var err error
	if c.BaseURL, err = ParseURL(base); err != nil {
		fault("OMR_BASE_URL", "%w", err)
	} else if endsInVersion(c.BaseURL.Path) {
		fault("OMR_BASE_URL", "ends in the API's version, with which callers' paths begin: leave it off")
	}
	switch endpoint := getenv("OMR_TOKEN_URL"); {
	case endpoint != "":
		if c.TokenURL, err = ParseURL(endpoint); err != nil {
			fault("OMR_TOKEN_URL", "%w", err)
		}
	case c.BaseURL != nil:
		c.TokenURL = c.BaseURL.JoinPath(tokenPath)
	}
	if text := getenv("OMR_WARMUP_INTERVAL"); text != "" {
		if c.WarmupInterval, err = time.ParseDuration(text); err != nil || c.WarmupInterval <= 0 || c.WarmupInterval > 24*time.Hour {
			fault("OMR_WARMUP_INTERVAL", "not a duration of 24h or less, such as 5m")
		}
	}
	switch getenv("OMR_STREAMING") {
	case "true":
		c.Streaming = true
	case "", "false":
	default:
		fault("OMR_STREAMING", "neither true nor false")
	}
	if c.AllowOrigin = getenv("OMR_ALLOW_ORIGIN"); c.AllowOrigin != "" && !isOrigin(c.AllowOrigin) {
		fault("OMR_ALLOW_ORIGIN", "not one origin, such as https://portal.school.example")
	}
	if c.Bucket = getenv("OMR_BUCKET"); c.Bucket != "" && !isBucketName(c.Bucket) {
		fault("OMR_BUCKET", "not the name of a bucket")
	}
	c.MaxUpload = defaultMaxUpload << 20
	if text := getenv("OMR_MAX_UPLOAD_MEGABYTES"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 || n > maxMaxUpload {
			fault("OMR_MAX_UPLOAD_MEGABYTES", "not a whole number from 1 to %d", maxMaxUpload)
		}
		c.MaxUpload = n << 20
	}
	c.LogLevel = logLevel(getenv("AWS_LAMBDA_LOG_LEVEL"))
	return c, errors.Join(faults...)
}

// isBucketName reports whether S3 could have given a general purpose bucket this name:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
// No expression is compiled for it, which every cold start would wait for.
func isBucketName(name string) bool {
	const inside = "abcdefghijklmnopqrstuvwxyz0123456789.-"
	return len(name) >= 3 && len(name) <= 63 && strings.Trim(name, inside) == "" && strings.Trim(name, ".-") == name
}

// isOrigin reports whether text is an origin as a browser writes it (RFC 6454 §6.1),
// of a page that nobody on the way can change.
func isOrigin(text string) bool {
	u, err := ParseURL(text)
	return err == nil && u.Scheme+"://"+u.Host == text && strings.ToLower(text) == text
}

// endsInVersion reports whether a path ends like those that the SDKs are given.
func endsInVersion(path string) bool {
	return strings.Trim(path, "/") != "" && regexp.MustCompile(`/v[0-9]+\.[0-9]+(/omr)?/?$`).MatchString(path)
}

// ParseURL takes https everywhere, and http where nothing leaves the machine.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, errors.New("not an absolute URL")
	case u.User != nil:
		return nil, errors.New("a URL with credentials in it is not taken")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("a URL with a query or fragment is not taken")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	default:
		return nil, errors.New("not https; http is for loopback hosts alone")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// logLevel reads Lambda's ApplicationLogLevel; anything unknown is INFO, as
// Lambda's own libraries take it.
func logLevel(text string) slog.Level {
	switch text {
	case "TRACE", "DEBUG":
		return slog.LevelDebug
	case "WARN":
		return slog.LevelWarn
	case "ERROR", "FATAL":
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}
