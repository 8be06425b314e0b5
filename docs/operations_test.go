package docs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// What docs/operations.md says of money is worked out here, from the milliseconds in its
// own table, which the benchmark measured, and from AWS's prices.

const (
	upstreamSeconds = 0.5  // of a call, at Aspose
	lineBytes       = 1100 // of the log line, as docs/errors.md has it
	platformBytes   = 500  // of Lambda's own lines of a call, in JSON
	perGBOfLog      = 0.50
	perTrace        = 5.00 / 1e6
	million         = 1e6
)

var (
	sizingHead = regexp.MustCompile(`(?m)^\| body ((?:\| \d+ MB )+)\| CPU \| peak memory \|$`)
	sizingRow  = regexp.MustCompile(`(?m)^\| (\d+ [KM]B) ((?:\| [\d.]+ ms )+)\| [\d.]+ ms \| \d+ MB \|$`)
	figure     = regexp.MustCompile(`[\d.]+`)
)

// sizing is the table of the benchmark: memory sizes, and of each body milliseconds.
func sizing(t *testing.T) (memory []float64, bodies []string, took map[string][]float64) {
	t.Helper()
	numbers := func(text string) (all []float64) {
		for _, n := range figure.FindAllString(text, -1) {
			value, err := strconv.ParseFloat(n, 64)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, value)
		}
		return all
	}
	page := read(t, "docs/operations.md")
	head := sizingHead.FindStringSubmatch(page)
	if head == nil {
		t.Fatal("docs/operations.md has no table of sizes")
	}
	memory, took = numbers(head[1]), map[string][]float64{}
	for _, row := range sizingRow.FindAllStringSubmatch(page, -1) {
		bodies = append(bodies, row[1])
		if took[row[1]] = numbers(row[2]); len(took[row[1]]) != len(memory) {
			t.Fatalf("a row of %d sizes: %s", len(memory), row[0])
		}
	}
	if len(bodies) != 3 {
		t.Fatalf("docs/operations.md has rows of %q", bodies)
	}
	return memory, bodies, took
}

// lambdaTime is what a million calls' time costs.
func lambdaTime(memory, milliseconds float64) float64 {
	return million * (upstreamSeconds + milliseconds/1000) * memory / 1024 * perGBSecond
}

func TestOperationsCosts(t *testing.T) {
	memory, bodies, took := sizing(t)
	page := read(t, "docs/operations.md")
	var times strings.Builder
	for _, body := range bodies {
		fmt.Fprintf(&times, "| %s |", body)
		for i, m := range memory {
			fmt.Fprintf(&times, " $%.2f |", lambdaTime(m, took[body][i]))
		}
		times.WriteString("\n")
	}
	if !strings.Contains(page, "|---|---|---|---|---|---|---|\n"+times.String()) {
		t.Errorf("docs/operations.md has another table than\n%s", &times)
	}
	at256 := took["1 MB"][2]
	if memory[2] != 256 {
		t.Fatalf("the third size is %v", memory[2])
	}
	var parts strings.Builder
	total := 0.0
	for _, part := range []struct {
		name string
		cost float64
	}{
		{"API Gateway", million * perAPIRequest},
		{"Lambda, requests", million * perInvocation},
		{"Lambda, time", lambdaTime(256, at256)},
		{"the log, 1.6 KB a call", million * (lineBytes + platformBytes) / 1e9 * perGBOfLog},
		{"traces, where each call is traced; X-Ray traces the first of a second and 5 % of the others", million * perTrace},
		{"bodies on their way to Aspose", million * 1e6 / 1e9 * perGBOut},
	} {
		total += part.cost
		fmt.Fprintf(&parts, "| %s | $%.2f |\n", part.name, part.cost)
	}
	fmt.Fprintf(&parts, "| **in all** | $%.2f |\n", total)
	if !strings.Contains(page, "| part | a million calls |\n|---|---|\n"+parts.String()) {
		t.Errorf("docs/operations.md has another table than\n%s", &parts)
	}
	// What the default is chosen for.
	big := took["4 MB"]
	if saved := lambdaTime(256, big[2]) - lambdaTime(128, big[0]); big[0] < 1.7*big[2] || saved > 1.5 {
		t.Errorf("256 MB takes %.1f ms of a call of 4 MB, 128 MB %.1f ms, for $%.2f a million", big[2], big[0], saved)
	}
}
