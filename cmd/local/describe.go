package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// lambdaLimit is the largest event that a synchronous invocation takes.
const lambdaLimit = 6 << 20

// describeEvent names an event's kind and, of a request, the method and path.
func describeEvent(payload []byte) string {
	var e struct {
		HTTPMethod     string `json:"httpMethod"`
		Path           string `json:"path"`
		RawPath        string `json:"rawPath"`
		Source         string `json:"source"`
		WarmUp         bool   `json:"warmup"`
		RequestContext struct {
			DomainName string `json:"domainName"`
			HTTP       struct {
				Method string `json:"method"`
			} `json:"http"`
		} `json:"requestContext"`
	}
	// What does not decode is described by what did; judging it is the
	// handler's job.
	_ = json.Unmarshal(payload, &e)
	method := e.RequestContext.HTTP.Method
	switch {
	case e.HTTPMethod != "":
		return "REST API: " + request(e.HTTPMethod, e.Path)
	case method != "" && strings.Contains(e.RequestContext.DomainName, ".lambda-url."):
		return "function URL: " + request(method, e.RawPath)
	case method != "":
		return "HTTP API: " + request(method, e.RawPath)
	case e.Source == "aws.events":
		return "EventBridge rule"
	case e.Source == "aws.scheduler":
		return "EventBridge Scheduler"
	case e.WarmUp:
		return "warm-up"
	default:
		return "an event of another kind"
	}
}

// describeAnswer tells an HTTP answer's status and size, or a warm-up's result.
func describeAnswer(response []byte) (string, tone) {
	var a struct {
		StatusCode      int     `json:"statusCode"`
		Body            string  `json:"body"`
		IsBase64Encoded bool    `json:"isBase64Encoded"`
		Warm            *bool   `json:"warm"`
		ExpiresIn       float64 `json:"token_expires_in"`
	}
	_ = json.Unmarshal(response, &a)
	switch {
	case a.StatusCode != 0:
		length := len(a.Body)
		if a.IsBase64Encoded {
			length = length/4*3 - strings.Count(a.Body[max(0, length-2):], "=")
		}
		return fmt.Sprintf("%d, %s", a.StatusCode, size(length)), toneOf(a.StatusCode)
	case a.Warm != nil && *a.Warm:
		return fmt.Sprintf("warm, the token is valid for %.0f s", a.ExpiresIn), good
	case a.Warm != nil:
		return "not warm", bad
	default:
		return size(len(response)), plain
	}
}

func request(method, path string) string {
	path, _, _ = strings.Cut(path, "?")
	return printable(method) + " " + printable(path)
}

// printable keeps what could steer a terminal, or flood it, out of a line.
func printable(s string) string {
	const enough = 200
	if len(s) > enough {
		s = strings.ToValidUTF8(s[:enough], "") + "…"
	}
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

// size gives a number of bytes in the largest unit that leaves it above one.
func size(n int) string {
	switch {
	case n < 1000:
		return strconv.Itoa(n) + " B"
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1000_000)
	}
}

// elapsed gives a duration in milliseconds, short ones with a decimal.
func elapsed(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}
