package faultmatrix

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"omr-relay/internal/app"
)

const (
	docPath = "../../docs/faults.md"
	begin   = "<!-- fault matrix: begin -->\n"
	end     = "<!-- fault matrix: end -->"
)

// TestDocumentedMatrix holds the tables of docs/faults.md against the one that
// the code is tested by; -update writes them.
func TestDocumentedMatrix(t *testing.T) {
	doc, err := os.ReadFile(docPath)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(doc), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("docs/faults.md lacks %q or %q", begin, end)
	}
	want := before + begin + tables() + bucketDoc() + batchesDoc() + "\n" + end + after
	if want == string(doc) {
		return
	}
	if !*update {
		t.Fatal("the matrix in docs/faults.md is not the tested one; write it with: go test ./internal/faultmatrix -run TestDocumentedMatrix -update")
	}
	if err := os.WriteFile(docPath, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

// line is a line of a documented table: faults that look alike to a caller.
type line struct {
	faults   []string
	outcomes [4]string
}

func tables() string {
	var b strings.Builder
	for _, section := range []struct {
		service app.Hop
		whens   []moment
		title   string
	}{
		{app.HopSecret, []moment{first}, "Secrets Manager fails, and the relay has not read the secret before"},
		{app.HopSecret, []moment{later}, "Secrets Manager fails, and the relay has read the secret before"},
		{app.HopToken, []moment{first, later}, "The token endpoint fails, and a token is needed"},
		{app.HopUpstream, []moment{first, later}, "The upstream fails"},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| fault | GET | POST | DELETE | warm-up |\n|---|---|---|---|---|\n", section.title)
		for _, l := range lines(section.service, section.whens) {
			fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(l.faults, "; "), strings.Join(l.outcomes[:], " | "))
		}
	}
	return b.String()
}

// lines collapses the rows of the moments.
func lines(service app.Hop, whens []moment) []line {
	var out []line
	for _, f := range faults {
		for _, outcomes := range outcomesOf(service, whens, f) {
			i := slices.IndexFunc(out, func(l line) bool { return l.outcomes == outcomes })
			if i < 0 {
				i = len(out)
				out = append(out, line{outcomes: outcomes})
			}
			out[i].faults = append(out[i].faults, f.name)
		}
	}
	if len(out) == 1 {
		out[0].faults = []string{"any fault but those that are S3's and Step Functions' own"}
	}
	return out
}

// outcomesOf returns what happens at those moments: once, if it is the same.
func outcomesOf(service app.Hop, whens []moment, f *fault) [][4]string {
	var all [][4]string
	for i := range table {
		r := &table[i]
		if r.service != service || !slices.Contains(whens, r.when) || !slices.Contains(r.faults, f) {
			continue
		}
		var outcomes [4]string
		for j, kind := range events {
			outcomes[j] = words(r.of(kind).outcome)
		}
		if !slices.Contains(all, outcomes) {
			all = append(all, outcomes)
		}
	}
	return all
}

// stepsDoc is a table with a column for each step at which a fault may come, and one
// line for all the faults that look alike to a caller.
func stepsDoc[Step any](title string, faults []*fault, steps []Step, words func(*fault, Step) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n| fault |", title)
	for _, at := range steps {
		fmt.Fprintf(&b, " %v |", at)
	}
	fmt.Fprintf(&b, "\n|---|%s\n", strings.Repeat("---|", len(steps)))
	var lines []string // the outcomes, each once
	named := map[string][]string{}
	for _, f := range faults {
		var outcomes []string
		for _, at := range steps {
			outcomes = append(outcomes, words(f, at))
		}
		l := strings.Join(outcomes, " | ")
		if named[l] == nil {
			lines = append(lines, l)
		}
		named[l] = append(named[l], f.name)
	}
	for _, l := range lines {
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(named[l], "; "), l)
	}
	return b.String()
}

func words(outcome string) string {
	reason, cold := strings.CutPrefix(outcome, "not warm, ")
	switch {
	case outcome == "200":
		return "goes through"
	case strings.HasSuffix(outcome, "passed on"):
		return "passed on"
	case outcome == "warm":
		return "warm"
	case cold:
		return "not warm: `" + reason + "`"
	default:
		return "`" + outcome + "`"
	}
}
