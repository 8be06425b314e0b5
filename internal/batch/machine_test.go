package batch_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/batch"
)

// definition is of a state machine, as far as this one goes, in Amazon's States
// Language: https://states-language.net/
type definition struct {
	StartAt        string
	TimeoutSeconds int
	States         map[string]*state
}

type state struct {
	Type, Resource, Next, Default         string
	End                                   bool
	Parameters, ResultSelector, Result    any
	ResultPath                            *string
	Retry                                 []retrier
	Catch                                 []catcher
	Choices                               []choice
	SecondsPath, MaxConcurrencyPath       string
	ItemReader, ItemSelector              any
	ItemProcessor                         *definition
	ResultWriter                          any
	ToleratedFailureCount                 *float64
	Comment, Label, OutputPath, InputPath string

	discard bool // ResultPath is null
}

func (s *state) UnmarshalJSON(text []byte) error {
	type plain state
	if err := json.Unmarshal(text, (*plain)(s)); err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	s.discard = string(members["ResultPath"]) == "null"
	return nil
}

type retrier struct {
	ErrorEquals                               []string
	IntervalSeconds, BackoffRate, MaxAttempts float64
	MaxDelaySeconds                           float64
}

type catcher struct {
	ErrorEquals []string
	ResultPath  *string
	Next        string
}

type choice struct {
	Variable, StringEquals, Next string
	NumericEquals                *float64
	IsPresent, BooleanEquals     *bool
	And                          []choice
}

func theDefinition(t *testing.T) *definition {
	t.Helper()
	text, err := os.ReadFile("../../statemachine/batch.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	var d definition
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

// execution runs the definition, with processes in the place of Lambda.
type execution struct {
	t      *testing.T
	world  *world
	name   string
	change []func(*batch.Runner)
	// atOnce is how many children run beside one another; 0 is as the definition says.
	atOnce int

	mu   sync.Mutex // guards what follows
	idle []*process
	said []string // all that was given to steps, and came of them
	ran  map[string]int
	lost int // invocations that were killed
}

// failure is an error by its name, as Step Functions knows it.
type failure struct{ name, cause string }

func (f *failure) Error() string { return f.name + ": " + f.cause }

func (w *world) execution(t *testing.T, name string, change ...func(*batch.Runner)) *execution {
	return &execution{t: t, world: w, name: name, change: change, ran: map[string]int{}}
}

// run runs an execution over a prefix.
func (x *execution) run(prefix string) (map[string]any, error) {
	return x.start(map[string]any{"prefix": prefix})
}

func (x *execution) start(input map[string]any) (map[string]any, error) {
	d := theDefinition(x.t)
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Duration(d.TimeoutSeconds)*time.Second)
	defer cancel()
	out, err := x.states(ctx, d, input, map[string]any{"Execution": map[string]any{"Id": x.name}})
	if err != nil {
		return nil, err
	}
	return out.(map[string]any), nil
}

func (x *execution) states(ctx context.Context, d *definition, data any, object map[string]any) (any, error) {
	for name := d.StartAt; ; {
		s := d.States[name]
		x.mu.Lock()
		x.ran[name]++
		x.mu.Unlock()
		var err error
		input, next := data, s.Next
		switch s.Type {
		case "Choice":
			next = s.choose(data)
		case "Wait":
			seconds := at(data, object, s.SecondsPath).(float64)
			if !sleep(ctx, time.Duration(seconds*float64(time.Second))) {
				return nil, &failure{"States.Timeout", name}
			}
		case "Pass":
			if s.Result != nil {
				data = s.Result
			}
		case "Succeed":
			return data, nil
		case "Task":
			data, err = x.task(ctx, s, data, object)
		case "Map":
			data, err = x.each(ctx, s, data, object)
		default:
			x.t.Fatalf("%s is a %s", name, s.Type)
		}
		if f, ok := errors.AsType[*failure](err); ok && s.catches(f.name) {
			whole := maps.Clone(input.(map[string]any))
			whole[strings.TrimPrefix(*s.Catch[0].ResultPath, "$.")] = map[string]any{"Error": f.name, "Cause": f.cause}
			data, name = whole, s.Catch[0].Next
			continue
		}
		if err != nil {
			return nil, err
		}
		if s.End {
			return data, nil
		}
		if ctx.Err() != nil {
			return nil, &failure{"States.Timeout", name}
		}
		name = next
	}
}

// catches reports whether the only catcher takes an error. Where the execution's own time
// is over, nothing is caught.
func (s *state) catches(name string) bool {
	return len(s.Catch) > 0 && (slices.Contains(s.Catch[0].ErrorEquals, "States.ALL") || slices.Contains(s.Catch[0].ErrorEquals, name))
}

func (s *state) choose(data any) string {
	for _, c := range s.Choices {
		if c.holds(data) {
			return c.Next
		}
	}
	return s.Default
}

func (c choice) holds(data any) bool {
	if c.And != nil {
		return !slices.ContainsFunc(c.And, func(c choice) bool { return !c.holds(data) })
	}
	value, there := lookup(data, c.Variable)
	switch {
	case c.IsPresent != nil:
		return *c.IsPresent == there
	case c.BooleanEquals != nil:
		return value == *c.BooleanEquals
	case c.NumericEquals != nil:
		return value == *c.NumericEquals
	default:
		return value == c.StringEquals
	}
}

// task invokes the function, again where the definition says so.
func (x *execution) task(ctx context.Context, s *state, data any, object map[string]any) (any, error) {
	tries := 0
	for {
		result, err := x.invoke(ctx, fill(s.Parameters, data, object).(map[string]any)["Payload"])
		if err == nil {
			return s.result(map[string]any{"Payload": result}, data, object), nil
		}
		f, ok := errors.AsType[*failure](err)
		if !ok {
			return nil, err
		}
		i := slices.IndexFunc(s.Retry, func(r retrier) bool { return slices.Contains(r.ErrorEquals, f.name) })
		if i < 0 || tries >= int(s.Retry[i].MaxAttempts) {
			return nil, err
		}
		pause := s.Retry[i].IntervalSeconds
		for range tries {
			pause *= s.Retry[i].BackoffRate
		}
		if most := s.Retry[i].MaxDelaySeconds; most > 0 {
			pause = min(pause, most)
		}
		tries++
		if !sleep(ctx, time.Duration(pause)*time.Second) {
			return nil, &failure{"States.Timeout", "in a pause"}
		}
	}
}

func (s *state) result(result, data any, object map[string]any) any {
	if s.ResultSelector != nil {
		result = fill(s.ResultSelector, result, object)
	}
	switch {
	case s.discard:
		return data
	case s.ResultPath == nil:
		return result
	}
	whole := map[string]any{}
	maps.Copy(whole, data.(map[string]any))
	whole[strings.TrimPrefix(*s.ResultPath, "$.")] = result
	return whole
}

// invoke has one process run a step, and another the next if it was killed.
func (x *execution) invoke(ctx context.Context, payload any) (any, error) {
	text, err := json.Marshal(payload)
	if err != nil {
		x.t.Fatal(err)
	}
	var in batch.Input
	if err := json.Unmarshal(text, &in); err != nil {
		x.t.Fatalf("%s: %v", text, err)
	}
	p := x.take()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	out, err := p.runner.Run(ctx, in)
	x.world.mu.Lock()
	dead := p.dead
	x.world.mu.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.said = append(x.said, string(text))
	if dead {
		x.lost++
		return nil, &failure{"Runtime.ExitError", "killed"}
	}
	x.idle = append(x.idle, p)
	if err != nil {
		f, ok := errors.AsType[*batch.Fault](err)
		if !ok {
			x.t.Errorf("no fault: %v", err)
			return nil, err
		}
		x.said = append(x.said, f.Error())
		return nil, &failure{string(f.Name), f.Error()}
	}
	text, err = json.Marshal(out)
	if err != nil {
		x.t.Fatal(err)
	}
	x.said = append(x.said, string(text))
	var result any
	if err := json.Unmarshal(text, &result); err != nil {
		x.t.Fatal(err)
	}
	return result, nil
}

func (x *execution) take() *process {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := len(x.idle); n > 0 {
		p := x.idle[n-1]
		x.idle = x.idle[:n-1]
		return p
	}
	return x.world.process(x.t, x.change...)
}

// each runs a child for each item; one that fails ends the map.
func (x *execution) each(ctx context.Context, s *state, data any, object map[string]any) (any, error) {
	reader := fill(s.ItemReader.(map[string]any)["Parameters"], data, object).(map[string]any)
	list, err := csv.NewReader(strings.NewReader(x.world.object(reader["Key"].(string)))).ReadAll()
	if err != nil {
		x.t.Fatal(err)
	}
	atOnce := int(at(data, object, s.MaxConcurrencyPath).(float64))
	x.world.mu.Lock()
	x.world.at[x.name] = atOnce
	x.world.mu.Unlock()
	if x.atOnce > 0 {
		atOnce = x.atOnce
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, atOnce)
	var children sync.WaitGroup
	for _, record := range list[1:] {
		item := map[string]any{}
		for i, name := range list[0] {
			item[name] = record[i]
		}
		inner := map[string]any{"Execution": object["Execution"], "Map": map[string]any{"Item": map[string]any{"Value": item}}}
		input := fill(s.ItemSelector, data, inner)
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		children.Go(func() {
			defer func() { <-slots }()
			// A child is an execution of its own, and its context object another.
			if _, err := x.states(ctx, s.ItemProcessor, input, map[string]any{"Execution": map[string]any{"Id": "child"}}); err != nil {
				if _, ok := errors.AsType[*failure](err); ok {
					err = &failure{"States.ExceedToleratedFailureThreshold", "whatever the child failed by"}
				}
				cancel(err)
			}
		})
	}
	children.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return s.result(map[string]any{}, data, object), nil
}

// fill evaluates a payload template.
func fill(template, data any, object map[string]any) any {
	switch v := template.(type) {
	case map[string]any:
		filled := map[string]any{}
		for name, member := range v {
			if path, ok := strings.CutSuffix(name, ".$"); ok {
				filled[path] = at(data, object, member.(string))
			} else {
				filled[name] = fill(member, data, object)
			}
		}
		return filled
	default:
		return v
	}
}

// at is what a path leads to; it fails as Step Functions does where that is nothing.
func at(data any, object map[string]any, path string) any {
	value, ok := lookup(data, path)
	if rest, inObject := strings.CutPrefix(path, "$$"); inObject {
		value, ok = lookup(object, "$"+rest)
	}
	if !ok {
		panic(fmt.Sprintf("States.ParameterPathFailure: %s in %v", path, data))
	}
	return value
}

func lookup(data any, path string) (any, bool) {
	for name := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(path, "$"), "."), ".") {
		if name == "" {
			continue
		}
		members, ok := data.(map[string]any)
		if !ok {
			return nil, false
		}
		if data, ok = members[name]; !ok {
			return nil, false
		}
	}
	return data, true
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
