package docs

import (
	"encoding/json"
	"testing"
)

// machine is the definition, as far as it is walked.
type machine struct {
	StartAt        string
	TimeoutSeconds int
	States         map[string]struct {
		Type, Next, Default string
		Choices             []struct{ Next string }
		End                 bool
		ItemProcessor       *machine
	}
}

func definition(t *testing.T) *machine {
	t.Helper()
	m := &machine{}
	if err := json.Unmarshal([]byte(read(t, "statemachine/batch.asl.json")), m); err != nil {
		t.Fatal(err)
	}
	return m
}

// transitions counts the states that an execution goes through. decide tells what a
// choice goes on with; it is asked with the number of times that the state came before.
func (m *machine) transitions(t *testing.T, decide func(state string, before int) string) (n int) {
	t.Helper()
	met := map[string]int{}
	for at := m.StartAt; at != ""; {
		s, ok := m.States[at]
		if !ok || n > 1000 {
			t.Fatalf("the definition leads to %q after %d transitions", at, n)
		}
		n++
		next := s.Next
		if s.Type == "Choice" {
			next = s.Default
			if chosen := decide(at, met[at]); chosen != "" {
				next = chosen
			}
		}
		met[at]++
		at = next
	}
	return n
}

// perSheet counts one sheet's: that of a sheet whose result is there at the first poll,
// and what another poll adds.
func perSheet(t *testing.T) (first, more int) {
	t.Helper()
	child := definition(t).States["Sheets"].ItemProcessor
	count := func(polls int) int {
		return child.transitions(t, func(state string, before int) string {
			if state == "Fetched" && before == polls-1 {
				return "Done"
			}
			return ""
		})
	}
	return count(1), count(2) - count(1)
}
