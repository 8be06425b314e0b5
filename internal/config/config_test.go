package config_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"omr-relay/internal/config"
)

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestConfigDefaults(t *testing.T) {
	cfg, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "omr/credentials"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ what, got, want string }{
		{"secret", cfg.SecretID, "omr/credentials"},
		{"base URL", cfg.BaseURL.String(), "https://api.aspose.cloud"},
		{"token URL", cfg.TokenURL.String(), "https://api.aspose.cloud/connect/token"},
		{"warm-up interval", cfg.WarmupInterval.String(), "5m0s"},
		{"log level", cfg.LogLevel.String(), "INFO"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.what, tt.got, tt.want)
		}
	}
}

func TestConfigURLs(t *testing.T) {
	for _, tt := range []struct{ base, token, wantBase, wantToken string }{
		{"https://omr.example", "", "https://omr.example", "https://omr.example/connect/token"},
		{"https://omr.example/", "", "https://omr.example/", "https://omr.example/connect/token"},
		{"https://omr.example:8443/eu", "", "https://omr.example:8443/eu", "https://omr.example:8443/eu/connect/token"},
		{"https://omr.example/e%2Fu/", "", "https://omr.example/e%2Fu/", "https://omr.example/e%2Fu/connect/token"},
		{"https://omr.example", "https://id.example/oauth2/token", "https://omr.example", "https://id.example/oauth2/token"},
		{"", "https://id.example/t", "https://api.aspose.cloud", "https://id.example/t"},
		{"HTTPS://omr.example", "", "https://omr.example", "https://omr.example/connect/token"},
		{"http://127.0.0.1:8080", "", "http://127.0.0.1:8080", "http://127.0.0.1:8080/connect/token"},
		{"http://127.8.9.1", "http://localhost:1/t", "http://127.8.9.1", "http://localhost:1/t"},
		{"http://[::1]:8080", "http://LOCALHOST/t", "http://[::1]:8080", "http://LOCALHOST/t"},
	} {
		t.Run(tt.base+" "+tt.token, func(t *testing.T) {
			cfg, err := config.FromEnv(env(map[string]string{
				"OMR_SECRET_ID": "s", "OMR_BASE_URL": tt.base, "OMR_TOKEN_URL": tt.token,
			}))
			if err != nil {
				t.Fatal(err)
			}
			if got := cfg.BaseURL.String(); got != tt.wantBase {
				t.Errorf("base URL %q, want %q", got, tt.wantBase)
			}
			if got := cfg.TokenURL.String(); got != tt.wantToken {
				t.Errorf("token URL %q, want %q", got, tt.wantToken)
			}
		})
	}
}

// canary is part of every bad value, and of no message.
const canary = "cAnArY"

func TestConfigRefusesURLs(t *testing.T) {
	const (
		notAbsolute = "not an absolute URL"
		notHTTPS    = "not https; http is for loopback hosts alone"
		credentials = "a URL with credentials in it is not taken"
		query       = "a URL with a query or fragment is not taken"
	)
	for value, want := range map[string]string{
		canary:                               notAbsolute,
		"/" + canary:                         notAbsolute,
		"//" + canary:                        notHTTPS,
		"https://":                           notAbsolute,
		"https:///" + canary:                 notAbsolute,
		"https://:443/" + canary:             notAbsolute,
		"https:" + canary:                    notAbsolute,
		"https://host:" + canary:             notAbsolute,
		"https://[" + canary:                 notAbsolute,
		"https://host/%zz" + canary:          notAbsolute,
		"https://host/\n" + canary:           notAbsolute,
		"http://" + canary + ".example":      notHTTPS,
		"http://127.0.0.1.example/" + canary: notHTTPS,
		"http://localhost.example/" + canary: notHTTPS,
		"http://0.0.0.0/" + canary:           notHTTPS,
		"http://10.0.0.1/" + canary:          notHTTPS,
		"ftp://127.0.0.1/" + canary:          notHTTPS,
		"https://user:" + canary + "@host":   credentials,
		"https://" + canary + "@host":        credentials,
		"https://host/?" + canary:            query,
		"https://host/?":                     query,
		"https://host/#" + canary:            query,
	} {
		for _, name := range []string{"OMR_BASE_URL", "OMR_TOKEN_URL"} {
			t.Run(name+" "+value, func(t *testing.T) {
				_, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "s", name: value}))
				if err == nil {
					t.Fatal("taken")
				}
				if got := err.Error(); got != name+": "+want {
					t.Errorf("got %q, want %q", got, name+": "+want)
				}
			})
		}
	}
}

func TestConfigReportsEveryFaultAtOnce(t *testing.T) {
	_, err := config.FromEnv(env(map[string]string{
		"OMR_BASE_URL":        "http://" + canary,
		"OMR_TOKEN_URL":       canary,
		"OMR_WARMUP_INTERVAL": canary,
		"OMR_STREAMING":       canary,
	}))
	if err == nil {
		t.Fatal("taken")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 5 {
		t.Fatalf("got %q, want five faults", lines)
	}
	for i, name := range []string{"OMR_SECRET_ID: not set", "OMR_BASE_URL: ", "OMR_TOKEN_URL: ", "OMR_WARMUP_INTERVAL: ", "OMR_STREAMING: "} {
		if !strings.HasPrefix(lines[i], name) {
			t.Errorf("fault %d is %q, want %q", i, lines[i], name)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("a value is repeated: %q", err)
	}
}

func TestConfigWarmupInterval(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 5 * time.Minute, "1m": time.Minute, "90s": 90 * time.Second, "24h": 24 * time.Hour, "1ns": 1,
	} {
		cfg, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "s", "OMR_WARMUP_INTERVAL": text}))
		if err != nil || cfg.WarmupInterval != want {
			t.Errorf("%q: %v, %v; want %v", text, cfg.WarmupInterval, err, want)
		}
	}
	for _, text := range []string{"0", "-1m", "5", "five", "24h0m1s", " 5m"} {
		if _, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "s", "OMR_WARMUP_INTERVAL": text})); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestConfigStreaming(t *testing.T) {
	for text, want := range map[string]bool{"": false, "false": false, "true": true} {
		cfg, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "s", "OMR_STREAMING": text}))
		if err != nil || cfg.Streaming != want {
			t.Errorf("%q: %v, %v; want %v", text, cfg.Streaming, err, want)
		}
	}
	for _, text := range []string{"1", "TRUE", "yes", " true"} {
		if _, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "s", "OMR_STREAMING": text})); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestConfigLogLevel(t *testing.T) {
	for text, want := range map[string]slog.Level{
		"TRACE": slog.LevelDebug, "DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn,
		"ERROR": slog.LevelError, "FATAL": slog.LevelError, "": slog.LevelInfo, "LOUD": slog.LevelInfo,
	} {
		cfg, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "s", "AWS_LAMBDA_LOG_LEVEL": text}))
		if err != nil || cfg.LogLevel != want {
			t.Errorf("%q: %v, %v; want %v", text, cfg.LogLevel, err, want)
		}
	}
}

// The SDKs' base URL ends in the version; the relay's does not, and with it every
// call would be a 404.
func TestConfigRefusesTheVersion(t *testing.T) {
	for _, end := range []string{"/v5.0", "/v5.0/", "/v5.0/omr", "/v3.0/omr/"} {
		_, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "s", "OMR_BASE_URL": "https://api.test" + end}))
		if err == nil || !strings.Contains(err.Error(), "ends in the API's version") {
			t.Errorf("%s: %v", end, err)
		}
	}
	for _, end := range []string{"", "/", "/omr", "/gateway/v5", "/v5.0/omr/x"} {
		if _, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "s", "OMR_BASE_URL": "https://api.test" + end})); err != nil {
			t.Errorf("%s: %v", end, err)
		}
	}
}

func TestConfigAllowOrigin(t *testing.T) {
	for _, text := range []string{"", "https://portal.school.example", "https://portal.school.example:8443", "http://localhost:5173"} {
		cfg, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "s", "OMR_ALLOW_ORIGIN": text}))
		if err != nil || cfg.AllowOrigin != text {
			t.Errorf("%q: %q, %v", text, cfg.AllowOrigin, err)
		}
	}
	for _, text := range []string{"*", "null", "https://a.example/", "https://A.example", "https://a.example,https://b.example", "http://a.example", "a.example", "https://*.example" + " "} {
		if _, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "s", "OMR_ALLOW_ORIGIN": text})); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestConfigBucket(t *testing.T) {
	for _, tt := range []struct {
		bucket, megabytes string
		want              int64
		fault             string
	}{
		{"", "", 50 << 20, ""},
		{"relay-scans-1a2b", "1", 1 << 20, ""},
		{"relay.scans", "200", 200 << 20, ""},
		{"relay-scans", "0", 0, "OMR_MAX_UPLOAD_MEGABYTES: not a whole number from 1 to 200"},
		{"relay-scans", "201", 0, "OMR_MAX_UPLOAD_MEGABYTES: not a whole number from 1 to 200"},
		{"relay-scans", canary, 0, "OMR_MAX_UPLOAD_MEGABYTES: not a whole number from 1 to 200"},
		{"a/" + canary, "", 0, "OMR_BUCKET: not the name of a bucket"},
		{"s3://relay", "", 0, "OMR_BUCKET: not the name of a bucket"},
		{"ab", "", 0, "OMR_BUCKET: not the name of a bucket"},
		{"relay.", "", 0, "OMR_BUCKET: not the name of a bucket"},
		{"-relay", "", 0, "OMR_BUCKET: not the name of a bucket"},
		{"Relay", "", 0, "OMR_BUCKET: not the name of a bucket"},
		{strings.Repeat("a", 64), "", 0, "OMR_BUCKET: not the name of a bucket"},
	} {
		cfg, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "s", "OMR_BUCKET": tt.bucket, "OMR_MAX_UPLOAD_MEGABYTES": tt.megabytes}))
		switch {
		case tt.fault == "" && (err != nil || cfg.Bucket != tt.bucket || cfg.MaxUpload != tt.want):
			t.Errorf("%q %q: %+v, %v", tt.bucket, tt.megabytes, cfg, err)
		case tt.fault != "" && (err == nil || err.Error() != tt.fault):
			t.Errorf("%q %q: %v, want %s", tt.bucket, tt.megabytes, err, tt.fault)
		}
	}
}
