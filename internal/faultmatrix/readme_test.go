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
	readmePath = "../../README.md"
	begin      = "<!-- fault matrix: begin -->\n"
	end        = "<!-- fault matrix: end -->"
)

const introduction = `
## What happens when

Each line below is a test that runs over real sockets. Whatever hangs ends before the function's own timeout does. With a
token in hand, neither Secrets Manager nor the token endpoint is needed: a call goes through whatever state they are in.
What Secrets Manager itself refuses, an unknown or forbidden secret for example, is no fault of this kind and always
` + "`503 credentials_unavailable`" + `. "Passed on" is the upstream's own answer, untouched.
`

// TestREADME holds the README's tables against the one that the code is
// tested by; -update writes them.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile(readmePath)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(readme), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("the README lacks %q or %q", begin, end)
	}
	want := before + begin + introduction + tables() + "\n" + end + after
	if want == string(readme) {
		return
	}
	if !*update {
		t.Fatal("the README's fault matrix is not the tested one; write it with: go test ./internal/faultmatrix -run TestREADME -update")
	}
	if err := os.WriteFile(readmePath, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

// line is a line of a README table: faults that look alike to a caller.
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
		fmt.Fprintf(&b, "\n**%s:**\n\n| fault | GET | POST | DELETE | warm-up |\n|---|---|---|---|---|\n", section.title)
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
		out[0].faults = []string{"any fault of this page"}
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
