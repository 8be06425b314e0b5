package metric

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// dimension is what every metric is of, and another member of the line.
const dimension = "FunctionName"

// set is of metrics.
type set uint32

func (s set) has(m Metric) bool { return s>>m&1 == 1 }

// directive is the member _aws: it names those members of the line that are metrics,
// and their dimensions.
type directive struct {
	at      time.Time
	metrics set
}

var _ json.Marshaler = directive{}

// MarshalJSON writes one group for the metrics that have no other dimension, and one
// for each that has.
func (d directive) MarshalJSON() ([]byte, error) {
	text := append(make([]byte, 0, 1536), `{"Timestamp":`...)
	text = strconv.AppendInt(text, d.at.UnixMilli(), 10)
	text = append(text, `,"CloudWatchMetrics":[`...)
	begun := len(text)
	for m := range count {
		if d.metrics.has(m) && table[m].by != nil {
			text = append(append(text, split[m]...), ',')
		}
	}
	group := len(text)
	text = append(text, `{"Namespace":"`+Namespace+`","Dimensions":[["`+dimension+`"]],"Metrics":[`...)
	first := len(text)
	for m := range count {
		if d.metrics.has(m) && table[m].by == nil {
			text = append(append(text, definition[m]...), ',')
		}
	}
	if len(text) > first {
		text = append(text[:len(text)-1], `]},`...)
	} else {
		text = text[:group]
	}
	return append(text[:max(len(text)-1, begun)], `]}`...), nil
}

// definition is how each metric is named, and split the whole group of each that is
// split further.
var definition, split = func() (definition, split [count]string) {
	for m := range count {
		definition[m] = `{"Name":"` + table[m].name + `","Unit":"` + table[m].unit + `"}`
		dimensions := strings.Join(append([]string{dimension}, table[m].by...), `","`)
		split[m] = `{"Namespace":"` + Namespace + `","Dimensions":[["` + dimension + `"],["` + dimensions + `"]],"Metrics":[` + definition[m] + `]}`
	}
	return definition, split
}()
