package gateway

import "errors"

// decodeSchedule tells the scheduled pings from events that are none of the
// relay's:
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
func decodeSchedule(m members, e *Event) error {
	switch {
	case m.text("source") == "aws.events" && m.text("detail-type") == "Scheduled Event":
		e.Kind = Rule
	case m.text("source") == "aws.scheduler" && m.text("detail-type") == "Scheduled Event":
		e.Kind = Scheduler
	case string(m["warmup"]) == "true":
		e.Kind = WarmUp
	default:
		return errors.New(m.describe())
	}
	return nil
}
