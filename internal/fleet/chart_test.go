package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	recordPath = "testdata/fleet.json"
	pagePath   = "../../docs/fleet.md"
	chartPath  = "../../docs/fleet.svg"

	begin = "<!-- fleet: begin -->\n"
	end   = "<!-- fleet: end -->"
)

// record is what the large runs came to. The page and its chart are made of it.
type record struct {
	Fleet    int
	Variants []*outcome
	Days     int // of which each of Leads is the sum
	DaysOf   int // environments at the height of each
	Leads    []sums
	Small    figures // of schoolDay, for TestRecordIsOfThisCode
}

// outcome is what schoolDay comes to with a variant.
type outcome struct {
	Name    string
	Figures figures
}

// sums are what several times anyDay come to with another.
type sums struct {
	Name                  string
	Mints, Waited, Failed int
	By                    map[string]int // Failed, by the incident's name
}

var (
	variants = []variant{
		asItIs,
		{"no jitter", leads(20, 20), evenly},
		{"no soft refresh", leads(0, 0), asItIs.draw},
		{"neither", leads(0, 0), evenly},
	}
	sweep = []variant{
		{"none", leads(0, 0), asItIs.draw},
		{"5 to 15 %", leads(5, 15), asItIs.draw},
		{"15 to 25 %", asItIs.lead, asItIs.draw},
		{"25 to 35 %", leads(25, 35), asItIs.draw},
		{"35 to 45 %", leads(35, 45), asItIs.draw},
	}
)

const (
	seedOfChart = 1
	daysOfSweep = 16
	sweepFleet  = 500
)

// TestChart runs a large fleet through a day, and through it again without what is to
// be decided, and writes the record, the page's figures and the chart. OMR_FLEET is how
// many environments; with 0 the page and the chart are written from the record there is.
func TestChart(t *testing.T) {
	text := os.Getenv("OMR_FLEET")
	if text == "" {
		t.Skip("it takes minutes: OMR_FLEET=10000 go test ./internal/fleet -run TestChart -count=1")
	}
	if text == "0" {
		publish(t, recorded(t))
		return
	}
	size, err := strconv.Atoi(text)
	if err != nil || size < small {
		t.Fatalf("OMR_FLEET is %q", text)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	r := record{Fleet: size, Variants: make([]*outcome, len(variants)), Days: daysOfSweep, DaysOf: sweepFleet, Leads: make([]sums, len(sweep))}
	t.Run("runs", func(t *testing.T) {
		for i, v := range variants {
			t.Run(v.name, func(t *testing.T) {
				t.Parallel()
				w := run(t, &world{seed: seedOfChart, variant: v, day: schoolDay(int64(size))})
				mustHold(t, w)
				r.Variants[i] = &outcome{v.name, w.figures}
			})
		}
		for i, v := range sweep {
			t.Run(v.name, func(t *testing.T) {
				t.Parallel()
				r.Leads[i] = sums{Name: v.name, By: map[string]int{}}
				for seed := range uint64(daysOfSweep) {
					w := run(t, &world{seed: seed, variant: v, day: anyDay(seed, sweepFleet)})
					mustHold(t, w)
					r.Leads[i].add(w)
				}
			})
		}
	})
	r.Small = smallDay(t)
	if t.Failed() {
		return
	}
	write(t, recordPath, r.encode(t))
	publish(t, r)
}

func publish(t *testing.T, r record) {
	t.Helper()
	write(t, chartPath, chart(r))
	write(t, pagePath, page(t, r))
}

func smallDay(t *testing.T) figures {
	t.Helper()
	return run(t, &world{seed: seedOfChart, variant: asItIs, day: schoolDay(small)}).figures
}

// add takes a day in.
func (s *sums) add(w *watch) {
	s.Mints += w.figures.Mints
	s.Waited += w.figures.Waited
	s.Failed += w.figures.Failed
	for i, in := range w.world.day.incidents {
		s.By[in.name] += w.figures.FailedIn[i]
	}
}

// TestRecordIsOfThisCode: the relay that is tested here is the one that was recorded. A
// fleet of a different size would take minutes; one that differs would differ in both.
func TestRecordIsOfThisCode(t *testing.T) {
	if got, want := smallDay(t), recorded(t).Small; !reflect.DeepEqual(got, want) {
		t.Errorf("a small fleet's day came to\n%+v\nand was recorded as\n%+v\nrecord anew: OMR_FLEET=10000 go test ./internal/fleet -run TestChart -count=1", got, want)
	}
}

// TestPageAndChartAreOfTheRecord: docs/fleet.md and docs/fleet.svg say what was recorded.
func TestPageAndChartAreOfTheRecord(t *testing.T) {
	r := recorded(t)
	if read(t, recordPath) != r.encode(t) {
		t.Error(recordPath + " is not what TestChart writes")
	}
	if read(t, chartPath) != chart(r) {
		t.Error("docs/fleet.svg is not of the record")
	}
	if read(t, pagePath) != page(t, r) {
		t.Error("docs/fleet.md is not of the record")
	}
}

func recorded(t *testing.T) (r record) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, recordPath)), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// encode has a line for each outcome.
func (r record) encode(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`{"Name"`, "\n"+`{"Name"`, `"Days"`, "\n"+`"Days"`, `"Small"`, "\n"+`"Small"`).Replace(string(text)) + "\n"
}

// page is docs/fleet.md with its figures from the record.
func page(t *testing.T, r record) string {
	t.Helper()
	before, rest, found := strings.Cut(read(t, pagePath), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("docs/fleet.md lacks %q or %q", begin, end)
	}
	return before + begin + r.variantsTable() + "\n" + r.leadsTable() + "\n" + r.defaultsTable() + end + after
}

func (r record) variantsTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "A day of %s environments, one seed:\n\n| |", thousands(r.Fleet))
	for _, v := range r.Variants {
		b.WriteString(" " + v.Name + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(r.Variants)) + "\n")
	row := func(name string, of func(f figures) int) {
		b.WriteString("| " + name + " |")
		for _, v := range r.Variants {
			b.WriteString(" " + thousands(of(v.Figures)) + " |")
		}
		b.WriteString("\n")
	}
	row("calls", func(f figures) int { return f.Calls })
	row("environments busy at a time, at most", func(f figures) int { return f.Busy })
	row("environments started", func(f figures) int { return f.Started })
	row("calls that Lambda throttled", func(f figures) int { return f.Throttled })
	row("**tokens minted**", func(f figures) int { return f.Mints })
	row("**minted in one second, at most**", func(f figures) int { return f.PeakMints })
	row("the same in the exam, half an hour after the deployment and later", func(f figures) int { return f.PeakAfter })
	row("token requests, failed ones included", func(f figures) int { return f.Requests })
	row("token requests in one second, at most", func(f figures) int { return f.PeakRequests })
	row("of them answered 400, and counted for the ban", func(f figures) int { return f.Denied })
	row("of them answered 429", func(f figures) int { return f.Banned })
	row("requests beside which the next token was fetched", func(f figures) int { return f.Refreshed })
	row("requests that had to fetch a token first, in vain or not", func(f figures) int { return f.Waited })
	row("**callers sent away with a 5xx of the relay's**", func(f figures) int { return f.Failed })
	for i, in := range schoolDay(int64(r.Fleet)).incidents {
		row(fmt.Sprintf("of them: %s, %s to %s", in.name, clock(in.begins), clock(in.ends)), func(f figures) int { return f.FailedIn[i] })
	}
	return b.String()
}

func (r record) leadsTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d days of %s environments each, with incidents of all kinds at random times, by the lead of the soft refresh:\n\n"+
		"| lead | tokens minted | requests that had to fetch a token first | callers sent away, endpoint out | good pair banned | all incidents |\n|---|---:|---:|---:|---:|---:|\n", r.Days, thousands(r.DaysOf))
	for _, l := range r.Leads {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", l.Name, thousands(l.Mints), thousands(l.Waited),
			thousands(l.By[endpointOut]), thousands(l.By[goodBanned]), thousands(l.Failed))
	}
	return b.String()
}

// defaultsTable says which figure decides each default.
func (r record) defaultsTable() string {
	var b strings.Builder
	asItIs, noJitter, noSoft := r.Variants[0].Figures, r.Variants[1].Figures, r.Variants[2].Figures
	none, shorter, lead, longer := r.Leads[0], r.Leads[1], r.Leads[2], r.Leads[3]
	n := thousands
	row := func(name, format string, figures ...any) {
		b.WriteString("| " + name + " | " + fmt.Sprintf(format, figures...) + " |\n")
	}
	b.WriteString("| default | the figure that decides it |\n|---|---|\n")
	row("The next token is fetched beside a call, before the old one ends",
		"Without it %s requests have to fetch one first instead of %s, and the outage of %s, which comes a minute after a lesson's refreshes, sends away %s callers instead of %s. It costs %s tokens instead of %s; and since a refresh that is denied counts as well, small fleets earn bans by it: on the random days %s callers met with one instead of %s",
		n(noSoft.Waited), n(asItIs.Waited), clock(schoolDay(0).incidents[0].begins), n(noSoft.FailedIn[0]), n(asItIs.FailedIn[0]), n(asItIs.Mints), n(noSoft.Mints), n(lead.By[goodBanned]), n(none.By[goodBanned]))
	row("That is from 15 to 25 % of its life before its end",
		"On the random days %s requests have to fetch a token first, with 5 to 15 %% %s, with none %s, with 25 to 35 %% %s for %s tokens more. Outages send away about as many callers whatever the lead, %s with this one and %s with none: they meet new environments above all",
		n(lead.Waited), n(shorter.Waited), n(none.Waited), n(longer.Waited), n(longer.Mints-lead.Mints), n(lead.By[endpointOut]), n(none.By[endpointOut]))
	row("Each environment draws its own share between these (jitter)",
		"After the deployment the exam's environments have tokens of one age. They fetch the next ones at %d in one second at most, without jitter at %d. On the day's peak jitter has no say, %d to %d: new environments make that, and arrive with the calls",
		asItIs.PeakAfter, noJitter.PeakAfter, asItIs.PeakMints, noJitter.PeakMints)
	row("A denied pair is sent again after 10 s, 2 minutes, then every 10 minutes",
		"It keeps one environment from the ban, and cannot keep a fleet from it: five environments earn one. Of %s token requests on that day %d were answered 400, which earned %d bans, and %s with 429, after which an environment lets the pair alone for as long as it was told",
		n(asItIs.Requests), asItIs.Denied, asItIs.Denied/deniedBeforeBan, n(asItIs.Banned))
	row("The secret is read again 5 s after the last time, whatever is held against the pair",
		"A ban of the old pair delays nobody: of %s callers whom the dead secret sent away none came 5 s after the new pair was stored, or later", n(asItIs.FailedIn[3]))
	row("A token request is made up to four times",
		"Decided elsewhere, by single failures, of which this day has none. Its price is here: while the endpoint is out it gets up to %s requests in one second, and at most %d succeed in one on the whole day",
		n(asItIs.PeakRequests), asItIs.PeakMints)
	return b.String()
}

func clock(d time.Duration) string {
	return fmt.Sprintf("%d:%02d", int(d/time.Hour), int(d/time.Minute)%60)
}

func thousands(n int) string {
	digits := strconv.Itoa(n)
	var groups []string
	for len(digits) > 3 {
		groups = append(groups, digits[len(digits)-3:])
		digits = digits[:len(digits)-3]
	}
	groups = append(groups, digits)
	slices.Reverse(groups)
	return strings.Join(groups, ",")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
