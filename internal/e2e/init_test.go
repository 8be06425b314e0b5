package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// TestInit: what the relay's own packages make before main begins, every cold start
// waits for. Of all that could be measured of it, what is allocated is the same in
// each run: an expression that a package compiles is ten to forty kilobytes.
func TestInit(t *testing.T) {
	path, err := bootstrap()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env = []string{"GODEBUG=inittrace=1"}
	out, _ := cmd.CombinedOutput() // without a configuration it ends at once
	sum, lines := 0, 0
	for line := range strings.Lines(string(out)) {
		var name string
		var at, took float64
		var allocated int
		if n, _ := fmt.Sscanf(line, "init %s @%f ms, %f ms clock, %d bytes", &name, &at, &took, &allocated); n < 4 {
			continue
		}
		lines++
		if strings.HasPrefix(name, "omr-relay/") {
			sum += allocated
		}
	}
	if lines == 0 || sum > 10_000 {
		t.Errorf("the relay's packages allocate %d bytes to begin with, of %d packages:\n%s", sum, lines, out)
	}
}
