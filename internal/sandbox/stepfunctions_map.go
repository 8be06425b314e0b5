package sandbox

import (
	"regexp"
	"strings"
	"time"
)

func (s *StepFunctions) listMapRuns(in statesInput) (any, *Fault) {
	e, fault := s.named(in.ExecutionArn)
	if fault != nil {
		return nil, fault
	}
	runs := []map[string]any{}
	if e.counts != nil {
		runs = append(runs, map[string]any{
			"executionArn": executionARN(e.name), "mapRunArn": mapRunARN(e.name), "stateMachineArn": DefaultStateMachine + "/" + mapRunLabel,
			"startDate": seconds(e.started),
		})
	}
	return map[string]any{"mapRuns": runs}, nil
}

func (s *StepFunctions) describeMapRun(in statesInput) (any, *Fault) {
	for _, e := range s.executions {
		if e.counts != nil && mapRunARN(e.name) == in.MapRunArn {
			return map[string]any{
				"mapRunArn": in.MapRunArn, "executionArn": executionARN(e.name), "status": e.status, "startDate": seconds(e.started), "maxConcurrency": 10,
				"toleratedFailurePercentage": 0, "toleratedFailureCount": 0, "itemCounts": e.counts, "executionCounts": e.counts,
			}, nil
		}
	}
	return nil, statesFault("ResourceNotFound", "Resource not found: '%s'", in.MapRunArn)
}

// named finds the execution of an ARN.
func (s *StepFunctions) named(arn string) (*execution, *Fault) {
	if !executionPattern.MatchString(arn) {
		return nil, statesFault("InvalidArn", "Invalid Arn: '%s'", arn)
	}
	e := s.find(arn[strings.LastIndex(arn, ":")+1:])
	if e == nil || executionARN(e.name) != arn {
		return nil, statesFault(executionDoesNot, "Execution Does Not Exist: '%s'", arn)
	}
	return e, nil
}

var executionPattern = regexp.MustCompile(`^arn:aws:states:[a-z0-9-]+:\d{12}:execution:[^:]+:[^:]+$`)

func executionARN(name string) string {
	return strings.Replace(DefaultStateMachine, ":stateMachine:", ":execution:", 1) + ":" + name
}

// mapRunARN is made of the execution's name here; the service's ends in a UUID.
func mapRunARN(name string) string {
	return strings.Replace(DefaultStateMachine, ":stateMachine:", ":mapRun:", 1) + "/" + mapRunLabel + ":" + name
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
