package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// typicalLines are what a relayed submission and the two polls after it write, as calls
// with a key come through a REST API.
func typicalLines(t *testing.T) (lines []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		relay := timed(t)
		mint(t, relay)
		pass(t.Context(), 10*time.Minute)
		relay.out.Reset()
		ctx := context.WithValue(withID(t.Context()), "x-amzn-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1") //nolint:revive,staticcheck // aws-lambda-go's key
		key := map[string]any{"identity": map[string]string{"apiKeyId": "a1b2c3d4e5"}}
		poll := restEvent(http.MethodGet, resultPath).with("queryStringParameters", map[string]string{"id": "x"})
		for _, e := range []event{submitEvent(), poll, poll} {
			if _, err := relay.Invoke(ctx, e.with("requestContext", key).payload()); err != nil {
				t.Fatal(err)
			}
			pass(t.Context(), 1234567*time.Microsecond)
		}
		for line := range strings.Lines(relay.out.String()) {
			lines = append(lines, line)
		}
	})
	return lines
}

// TestDocumentedLine: the line that docs/errors.md shows has the members that such a
// line has, in their order.
func TestDocumentedLine(t *testing.T) {
	documented := regexp.MustCompile("(?m)^\\{\"timestamp\".*\\}$").FindString(errorsPage(t))
	line, _, _ := strings.Cut(typicalLines(t)[0], `,"FunctionName":`)
	if got, want := members(t, documented), members(t, line+"}"); got != want {
		t.Errorf("documented:\n%s\nwritten:\n%s", got, want)
	}
}

// TestDocumentedCostOfLines measures the lines, and works out anew what they cost.
func TestDocumentedCostOfLines(t *testing.T) {
	const perGB = 0.50
	told := regexp.MustCompile(`A line of a relayed call has ([0-9,]+) bytes .*\n.*\n?.* a million calls are ([0-9.]+) GB: \$([0-9.]+) for ingestion`).FindStringSubmatch(errorsPage(t))
	if told == nil {
		t.Fatal("docs/errors.md does not say what a line costs")
	}
	var n [3]float64
	for i := range n {
		n[i], _ = strconv.ParseFloat(strings.ReplaceAll(told[i+1], ",", ""), 64)
	}
	all := typicalLines(t)
	mean := float64(len(strings.Join(all, ""))) / float64(len(all))
	if len(all) != 3 || math.Abs(n[0]-mean) > mean/10 {
		t.Errorf("told %v bytes, measured %v in %d lines", n[0], mean, len(all))
	}
	if math.Abs(n[1]-n[0]/1000) > 0.005 || math.Abs(n[2]-n[1]*perGB) > 0.0051 {
		t.Errorf("told %v GB and $%v of %v bytes", n[1], n[2], n[0])
	}
}

func errorsPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// members are an object's names, in their order.
func members(t *testing.T, object string) string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(object))
	var names []string
	for depth, name := 0, true; ; {
		token, err := decoder.Token()
		if err != nil {
			break
		}
		switch token {
		case json.Delim('{'):
			depth++
		case json.Delim('}'):
			depth--
		default:
			if depth == 1 {
				if name {
					names = append(names, fmt.Sprint(token))
				}
				name = !name
			}
		}
	}
	if len(names) == 0 {
		t.Fatalf("no object: %s", object)
	}
	return strings.Join(names, " ")
}
