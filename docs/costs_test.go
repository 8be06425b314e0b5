package docs

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What docs/batches.md says of cost and time is worked out here: from the definition of
// the state machine, which is walked and counted; from the polls that docs/recognize.md
// has of TestPace; from AWS's prices; and from what was measured of the steps.

// AWS's prices in us-east-1, in dollars, without the free tiers.
const (
	perTransition  = 0.025 / 1000 // of STANDARD executions
	perGBSecond    = 0.0000133334 // of Lambda on arm64
	perInvocation  = 0.20 / 1e6
	perPut         = 0.005 / 1000 // PUT, COPY, POST and LIST
	perGet         = 0.0004 / 1000
	perGBMonth     = 0.023 // kept in S3
	perGBOut       = 0.09  // to Aspose, over the internet
	perAPIRequest  = 3.50 / 1e6
	resultDays     = 7   // the template's default
	uploadDays     = 1.5 // until the midnight after a day
	childStart     = 1   // transitions: AWS does not say that a child's start is none
	batchMemory    = 1.0 // GB, the template's MemorySize of BatchFunction
	concurrency    = 10  // the template's default of BatchConcurrency
	jobsOfCommand  = 8
	scanMegabytes  = 1.0
	base64Growth   = 4.0 / 3
	daysOfMonth    = 30
	secondsOfNight = 12 * 3600
)

// What was measured. S3's requests were counted at the stand-in while the steps ran over
// 20 and 40 scans; each sheet more makes these. The steps' own work on a scan of 1 MB is
// 15 ms for a submission and less than 1 ms for a fetch: what they take is waiting for
// S3 and Aspose over a network, and is assumed here to be what such calls take.
const (
	getsPerSheet = 5 // looked at 1; submitted 3; merged 1
	putsPerSheet = 4 // copied 1; submitted 2; its result 1
	putsOfUpload = 1

	submitTime   = 1.0  // seconds, with a scan of 1 MB
	fetchTime    = 0.3  // seconds
	manifestTime = 0.1  // seconds of a scan, 32 beside one another
	manifestWide = 32   // internal/batch: copying
	mergeTime    = 0.03 // seconds of a result, 64 beside one another
	mergeWide    = 64   // internal/batch: ahead
	betweenTime  = 0.05 // seconds that Step Functions takes from one state to the next
	roundedTime  = 0.5  // seconds: waits are of whole ones, rounded up
	formTime     = 0.02 // seconds of the relay, for the form of an upload
	relayMemory  = 0.25 // GB
)

// upstream is how long a scan takes there, and what that means by docs/recognize.md.
type upstream struct {
	row           string
	seconds       float64
	polls, lateBy float64
}

func upstreams(t *testing.T) (all []upstream) {
	t.Helper()
	for _, row := range paceRow.FindAllStringSubmatch(read(t, "docs/recognize.md"), -1) {
		var n [3]float64
		for i := range n {
			var err error
			if n[i], err = strconv.ParseFloat(row[i+2], 64); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, upstream{row[1], n[0], n[1], n[2]})
	}
	if len(all) != 4 {
		t.Fatalf("docs/recognize.md has %d rows of TestPace", len(all))
	}
	return all
}

var paceRow = regexp.MustCompile(`(?m)^ +\| ((\d+) s, [^|]+?) \| ([\d.]+) \| ([\d.]+) s \|$`)

// cost is what a batch comes to.
type cost struct {
	transitions                                      int
	machine, lambda, requests, storage, out, uploads float64
}

func (c cost) total() float64 {
	return c.machine + c.lambda + c.requests + c.storage + c.out + c.uploads
}

func costOf(t *testing.T, sheets float64, u upstream) cost {
	t.Helper()
	whole := definition(t).transitions(t, func(string, int) string { return "" })
	first, more := perSheet(t)
	transitions := float64(whole) + sheets*(childStart+float64(first)+(u.polls-1)*float64(more))
	work := sheets*(submitTime+u.polls*fetchTime) + preparing(sheets) + merging(sheets)
	gigabytes := sheets * scanMegabytes / 1000
	return cost{
		transitions: int(math.Round(transitions)),
		machine:     transitions * perTransition,
		lambda:      work*batchMemory*perGBSecond + (sheets*(1+u.polls)+3)*perInvocation,
		requests:    sheets * (getsPerSheet*perGet + putsPerSheet*perPut),
		storage:     gigabytes * perGBMonth * (resultDays + uploadDays) / daysOfMonth,
		out:         gigabytes * base64Growth * perGBOut,
		uploads:     sheets * (perAPIRequest + perInvocation + formTime*relayMemory*perGBSecond + putsOfUpload*perPut),
	}
}

func preparing(sheets float64) float64 { return sheets * manifestTime / manifestWide }
func merging(sheets float64) float64   { return sheets * mergeTime / mergeWide }

// sheetTime is how long a sheet holds its place among those that are under way.
func sheetTime(t *testing.T, u upstream) float64 {
	t.Helper()
	first, more := perSheet(t)
	steps := float64(first) + (u.polls-1)*float64(more)
	return submitTime + u.seconds + u.lateBy + fetchTime + roundedTime + steps*betweenTime
}

func timeOf(t *testing.T, sheets float64, u upstream, wide float64) time.Duration {
	t.Helper()
	seconds := preparing(sheets) + math.Ceil(sheets/wide)*sheetTime(t, u) + merging(sheets)
	return time.Duration(seconds * float64(time.Second))
}

// costTableOf is the one that the page shows.
func costTableOf(t *testing.T) string {
	t.Helper()
	all := upstreams(t)
	usual := all[2] // 8 s, ± 50 %
	sizes := []float64{100, 3000, 100_000}
	var b strings.Builder
	row := func(name string, cell func(sheets float64) string) {
		_, _ = fmt.Fprintf(&b, "| %s |", name)
		for _, n := range sizes {
			_, _ = fmt.Fprintf(&b, " %s |", cell(n))
		}
		b.WriteString("\n")
	}
	row("sheets", thousands)
	b.WriteString("|---|---|---|---|\n")
	row("submissions, which Aspose charges for", thousands)
	row("polls", func(n float64) string { return thousands(n * usual.polls) })
	row("state transitions", func(n float64) string { return thousands(float64(costOf(t, n, usual).transitions)) })
	for _, part := range []struct {
		name string
		of   func(cost) float64
	}{
		{"Step Functions", func(c cost) float64 { return c.machine }},
		{"Lambda", func(c cost) float64 { return c.lambda }},
		{"S3, requests", func(c cost) float64 { return c.requests }},
		{"S3, scans kept for 7 days", func(c cost) float64 { return c.storage }},
		{"scans on their way to Aspose", func(c cost) float64 { return c.out }},
		{"uploads through the API", func(c cost) float64 { return c.uploads }},
		{"**AWS in all**", cost.total},
	} {
		row(part.name, func(n float64) string { return dollars(part.of(costOf(t, n, usual))) })
	}
	limit := time.Duration(definition(t).TimeoutSeconds) * time.Second
	for _, u := range all[1:] {
		row("time, a scan taking "+u.row, func(n float64) string {
			took := timeOf(t, n, u, concurrency)
			if took > limit {
				least := math.Ceil(concurrency * took.Seconds() / (0.8 * limit.Seconds()) / 5)
				return fmt.Sprintf("%s: too long, `BatchConcurrency` %.0f", duration(took), 5*least)
			}
			return duration(took)
		})
	}
	return b.String()
}

func thousands(n float64) string {
	text := strconv.Itoa(int(math.Round(n)))
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func dollars(d float64) string {
	if d < 0.005 {
		return "< $0.01"
	}
	return fmt.Sprintf("$%.2f", d)
}

func duration(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	default:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
}

var (
	update    = flag.Bool("update", false, "write the table of docs/batches.md")
	costTable = regexp.MustCompile(`(?m)^\| sheets \|.*\n(?:\|.*\n)+`)
)

// TestCosts: the page's table is what its inputs come to. -update writes it.
func TestCosts(t *testing.T) {
	page := read(t, "docs/batches.md")
	want := costTableOf(t)
	if *update {
		page = strings.Replace(page, costTable.FindString(page), want, 1)
		if err := os.WriteFile(filepath.Join(root, "docs", "batches.md"), []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := costTable.FindString(page); got != want {
		t.Errorf("docs/batches.md shows\n%s\nwant\n%s\ngo test ./docs -run TestCosts -update writes it", got, want)
	}
}

// TestCostsInWords: so are the numbers in its sentences.
func TestCostsInWords(t *testing.T) {
	page := strings.Join(strings.Fields(read(t, "docs/batches.md")), " ")
	all := upstreams(t)
	usual := all[2]
	first, more := perSheet(t)
	per := sheetTime(t, usual)
	round := func(n, to float64) float64 { return math.Round(n/to) * to }
	for _, sentence := range []string{
		fmt.Sprintf("%d state transitions for a sheet with its child's start, and %d more for each poll after the first", first+childStart, more),
		fmt.Sprintf("holds its place for %.0f s", per),
		thousands(round(secondsOfNight*concurrency/per, 1000)) + " sheets in a night of 12 hours",
		fmt.Sprintf("With `--jobs %d` the command takes %s for 300 sheets", jobsOfCommand, duration(time.Duration(300/jobsOfCommand*(submitTime+usual.seconds+usual.lateBy)*float64(time.Second)))),
		fmt.Sprintf("after %d hours", definition(t).TimeoutSeconds/3600),
		fmt.Sprintf("two take %s for 100,000 sheets", strings.Replace(duration(timeOf(t, 50_000, usual, concurrency)), " h", " hours", 1)),
	} {
		if !strings.Contains(page, sentence) {
			t.Errorf("docs/batches.md does not say %q", sentence)
		}
	}
}
