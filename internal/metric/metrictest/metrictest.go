// Package metrictest judges log lines by the rules of CloudWatch's embedded metric
// format, for tests alone:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package metrictest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
)

// The format's limits.
const (
	maxMetrics    = 100 // of one directive
	maxDimensions = 30  // of one set
	maxText       = 1024
	maxLine       = 256 << 10
)

var units = map[string]bool{"Count": true, "Bytes": true, "Seconds": true, "Milliseconds": true}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []struct{ Name, Unit string }
}

// Check says what CloudWatch would not take, or not understand, of a line of the log.
// One without _aws is fine.
func Check(line []byte) error {
	var members map[string]any
	if err := json.Unmarshal(line, &members); err != nil {
		return fmt.Errorf("reading the line: %w", err)
	}
	if _, ok := members["_aws"]; !ok {
		return nil
	}
	var meta struct {
		AWS struct {
			Timestamp         *int64
			CloudWatchMetrics []directive
		} `json:"_aws"`
	}
	if err := json.Unmarshal(line, &meta); err != nil {
		return fmt.Errorf("reading _aws: %w", err)
	}
	if len(line) > maxLine {
		return fmt.Errorf("%d bytes", len(line))
	}
	if at := meta.AWS.Timestamp; at == nil || time.UnixMilli(*at).Year() < 2000 || time.UnixMilli(*at).Year() > 2100 {
		return errors.New("its Timestamp is no time in milliseconds")
	}
	if len(meta.AWS.CloudWatchMetrics) == 0 {
		return errors.New("no directive")
	}
	named := map[string]bool{}
	for _, d := range meta.AWS.CloudWatchMetrics {
		if err := d.check(members, named); err != nil {
			return err
		}
	}
	return nil
}

// check adds the directive's metrics to those that are named.
func (d directive) check(members map[string]any, named map[string]bool) error {
	if d.Namespace == "" || len(d.Namespace) > maxText {
		return fmt.Errorf("namespace %q", d.Namespace)
	}
	if len(d.Metrics) == 0 || len(d.Metrics) > maxMetrics || len(d.Dimensions) == 0 {
		return fmt.Errorf("a directive of %d metrics and %d sets of dimensions", len(d.Metrics), len(d.Dimensions))
	}
	for _, set := range d.Dimensions {
		if len(set) > maxDimensions {
			return fmt.Errorf("%d dimensions", len(set))
		}
		for _, name := range set {
			value, ok := members[name].(string)
			if !ok || strings.TrimSpace(value) == "" || len(value) > maxText || !isASCII(value) {
				return fmt.Errorf("dimension %s is %#v", name, members[name])
			}
		}
	}
	for _, m := range d.Metrics {
		value, ok := members[m.Name].(float64)
		if !ok || math.Abs(value) > math.Pow(2, 360) {
			return fmt.Errorf("metric %s is %#v", m.Name, members[m.Name])
		}
		if !units[m.Unit] {
			return fmt.Errorf("metric %s has the unit %q", m.Name, m.Unit)
		}
		if named[m.Name] {
			return fmt.Errorf("metric %s is named twice, and counted twice", m.Name)
		}
		named[m.Name] = true
	}
	return nil
}

// isASCII reports whether CloudWatch takes the value: it is printable, besides.
func isASCII(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) })
}
