package batch_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"omr-relay/internal/batch"
	"omr-relay/internal/budget"
)

// walk calls do with each state of the definition and of the map's children.
func (d *definition) walk(do func(name string, s *state, among *definition)) {
	for name, s := range d.States {
		do(name, s, d)
		if s.ItemProcessor != nil {
			s.ItemProcessor.walk(do)
		}
	}
}

// next are the states that one leads to.
func (s *state) nexts() (all []string) {
	for _, c := range s.Choices {
		all = append(all, c.Next)
	}
	for _, c := range s.Catch {
		all = append(all, c.Next)
	}
	for _, name := range []string{s.Next, s.Default} {
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

func TestDefinitionIsWhole(t *testing.T) {
	d := theDefinition(t)
	seen := map[string]bool{}
	d.walk(func(name string, s *state, among *definition) {
		if seen[name] {
			t.Errorf("two states are called %s", name)
		}
		seen[name] = true
		for _, next := range s.nexts() {
			if among.States[next] == nil {
				t.Errorf("%s goes on to %s, which is not there", name, next)
			}
		}
		ends := s.End || s.Type == "Succeed"
		if ends == (len(s.nexts()) > 0) {
			t.Errorf("%s goes nowhere, or goes on after its end", name)
		}
		if s.Type == "Choice" && s.Default == "" {
			t.Errorf("%s has no default", name)
		}
	})
	var reach func(among *definition, name string)
	reached := map[string]bool{}
	reach = func(among *definition, name string) {
		if s := among.States[name]; s != nil && !reached[name] {
			reached[name] = true
			for _, next := range s.nexts() {
				reach(among, next)
			}
			if s.ItemProcessor != nil {
				reach(s.ItemProcessor, s.ItemProcessor.StartAt)
			}
		}
	}
	reach(d, d.StartAt)
	if !maps.Equal(reached, seen) {
		t.Errorf("reached %v of %v", reached, seen)
	}
	if time.Duration(d.TimeoutSeconds)*time.Second < 24*time.Hour+time.Hour {
		t.Error("the execution ends before patience does")
	}
}

// What steps are given is what they read, and what is read of their output is there
// whatever came of them.
func TestDefinitionSpeaksTheStepsLanguage(t *testing.T) {
	members := map[string]bool{}
	for f := range reflect.TypeFor[batch.Input]().Fields() {
		members[f.Tag.Get("json")] = true
	}
	var always map[string]any
	text, err := json.Marshal(batch.Output{})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &always); err != nil {
		t.Fatal(err)
	}
	// Of these the manifest, and a sheet that waits, have all; their tests look.
	sometimes := []string{"items", "work", "concurrency", "sheet", "task", "submitted"}
	var steps []string
	theDefinition(t).walk(func(name string, s *state, _ *definition) {
		var paths func(any)
		paths = func(v any) {
			switch v := v.(type) {
			case map[string]any:
				for _, member := range v {
					paths(member)
				}
			case string:
				for _, before := range []string{".is.", "$.Payload."} {
					if _, member, ok := strings.Cut(v, before); ok {
						if _, there := always[member]; !there && !slices.Contains(sometimes, member) {
							t.Errorf("%s reads %s, which may not be there", name, v)
						}
					}
				}
			}
		}
		paths(s.Parameters)
		paths(s.ResultSelector)
		paths(s.ItemReader)
		paths(s.SecondsPath)
		paths(s.MaxConcurrencyPath)
		for _, c := range s.Choices {
			paths(c.Variable)
		}
		if s.Type != "Task" {
			return
		}
		payload := s.Parameters.(map[string]any)["Payload"].(map[string]any)
		for member := range payload {
			if !members[strings.TrimSuffix(member, ".$")] {
				t.Errorf("%s gives %s, which no step reads", name, member)
			}
		}
		step := payload["step"].(string)
		if steps = append(steps, step); !batch.Known(step) {
			t.Errorf("there is no step %s", step)
		}
		if s.Resource != "arn:aws:states:::lambda:invoke" {
			t.Errorf("%s is %s", name, s.Resource)
		}
	})
	if slices.Sort(steps); fmt.Sprint(steps) != "[erase explain fetch manifest merge preflight submit]" {
		t.Errorf("steps %v", steps)
	}
}

// Each state that a step can return is one that a choice after it knows, or its default.
func TestDefinitionKnowsTheStates(t *testing.T) {
	d := theDefinition(t)
	children := d.States["Sheets"].ItemProcessor
	for _, tt := range []struct {
		among        *definition
		choice, path string
		next         map[batch.State]string
	}{
		{d, "Listed", "$.manifest.is.state", map[batch.State]string{batch.Manifest: "Manifest", batch.Done: "Sheets"}},
		{d, "Erased", "$.erased.is.state", map[batch.State]string{batch.Erase: "EraseOn", batch.Done: "Gone"}},
		{children, "Submitted", "$.sheet.is.state", map[batch.State]string{batch.Submit: "Later", batch.Wait: "Wait", batch.Done: "Done"}},
		{children, "Fetched", "$.sheet.is.state", map[batch.State]string{batch.Wait: "Wait", batch.Done: "Done"}},
	} {
		for state, want := range tt.next {
			name, _, _ := strings.Cut(strings.TrimPrefix(tt.path, "$."), ".")
			data := map[string]any{name: map[string]any{"is": map[string]any{"state": string(state), "sheets": 1.0}}}
			if got := tt.among.States[tt.choice].choose(data); got != want {
				t.Errorf("%s after %s leads to %s, want %s", tt.choice, state, got, want)
			}
		}
	}
}

// What is tried again is what may go well later, or has been killed: steps whose faults
// have other names have found out something. Submissions may be among them, for their
// ledger has each once.
func TestDefinitionRetriesNoVerdict(t *testing.T) {
	d := theDefinition(t)
	d.walk(func(name string, s *state, _ *definition) {
		if s.Type != "Task" {
			return
		}
		if len(s.Retry) != 1 {
			t.Fatalf("%s has %d retriers", name, len(s.Retry))
		}
		r := s.Retry[0]
		for _, e := range r.ErrorEquals {
			if e != string(batch.Unavailable) && !strings.HasPrefix(e, "Lambda.") && e != "Sandbox.Timedout" && !strings.HasPrefix(e, "Runtime.") {
				t.Errorf("%s is tried again after %s", name, e)
			}
		}
		again := []string{"Unavailable", "Lambda.Unknown", "Lambda.TooManyRequestsException", "Lambda.ServiceException", "Lambda.ClientExecutionTimeoutException", "Sandbox.Timedout", "Runtime.ExitError", "Runtime.OutOfMemory"}
		if name == "Explain" {
			again = again[1:] // it is what the map failed by
		}
		if slices.Contains(r.ErrorEquals, "Unavailable") != (name != "Explain") {
			t.Errorf("%s is tried again after %v", name, r.ErrorEquals)
		}
		for _, e := range again {
			if !slices.Contains(r.ErrorEquals, e) {
				t.Errorf("%s is not tried again after %s", name, e)
			}
		}
		// A process that was killed in a submission is waited for by the ledger; its
		// retries only have to reach it.
		if r.MaxAttempts < 4 || r.BackoffRate != 2 {
			t.Errorf("%s: %+v", name, r)
		}
	})
	if m := d.States["Sheets"]; *m.ToleratedFailureCount != 0 || len(m.Retry) != 0 || len(m.Catch) != 1 || m.Catch[0].Next != "Explain" || *m.Catch[0].ResultPath != "$.map" {
		t.Error("the map goes on after a failure of the system's")
	}
	if budget.BatchFunction > 15*time.Minute {
		t.Error("Lambda has 15 minutes")
	}
}

// No intrinsic function but one, which LocalStack runs as well, no JSONata, no batches of
// items: what the stand-ins of AWS run and what AWS runs is the same. And nothing of a
// person's is in it.
func TestDefinitionIsPlain(t *testing.T) {
	text, err := os.ReadFile("../../statemachine/batch.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, not := range []string{"States.Array", "States.Math", "States.UUID", "States.String", "States.Json", "JSONata", "{%", "ItemBatcher", "Assign", "Arguments", "image", "answers"} {
		if strings.Contains(string(text), not) {
			t.Errorf("it has %s", not)
		}
	}
	// A result writer's parameters are read from the results on LocalStack.
	if n := strings.Count(string(text), "States.Format("); n != 1 || !strings.Contains(string(text), `"Prefix.$": "States.Format('{}work/map', $$.Execution.Input.prefix)"`) {
		t.Errorf("%d calls of States.Format", n)
	}
	var definition any
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	if err := decoder.Decode(&definition); err != nil {
		t.Fatal(err)
	}
	d := theDefinition(t)
	if n := strings.Count(string(text), "${BatchFunction}"); n != 7 {
		t.Errorf("%d tasks name the function", n)
	}
	processor := definition.(map[string]any)["States"].(map[string]any)["Sheets"].(map[string]any)["ItemProcessor"].(map[string]any)["ProcessorConfig"]
	if fmt.Sprint(processor) != "map[ExecutionType:STANDARD Mode:DISTRIBUTED]" {
		t.Errorf("children are %v", processor) // EXPRESS ones would end after 5 minutes
	}
	if reader := d.States["Sheets"].ItemReader.(map[string]any)["Resource"]; reader != "arn:aws:states:::s3:getObject" {
		t.Errorf("items are read by %v", reader)
	}
}
