package main

import (
	"errors"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	var out strings.Builder
	r := newReport(&out, []program{{name: typedName, size: 10e6}, {name: floorName, size: 11e6}, {name: relayName, size: 4e6}})
	r.sizes()
	s := scenario{name: "json", title: "A body", goals: map[measure]goal{
		cpuPerCall: {ratio: 0.10}, peakMemory: {ratio: 0.40}, latency: {most: 0.100},
	}}
	r.scenario(s, series{
		cpuPerCall: {{0.040, 0.050}, {0.040}, {0.003, 0.004}},
		latency:    {{0.7}, {0.8}, {0.2}},
		peakMemory: {{70e6}, {70e6}, {35e6}},
		timeToPoll: {{1}, {1}, {1}},
	})
	r.skipped(s, errors.New("no cgroup"))
	r.summary()
	const want = `                              typed        floor        relay   ratio  spread       × floor  goal
binary                      10.0 MB      11.0 MB       4.0 MB    0.40

A body (json)
  exec to first poll     1000.00 ms   1000.00 ms   1000.00 ms    1.00  1.00–1.00       1.00
  CPU per call             45.00 ms     40.00 ms      3.50 ms    0.08  0.07–0.08       0.09  ≤ 0.10 ok
  latency p50             700.00 ms    800.00 ms    200.00 ms    0.29  0.29–0.29       0.25  ≤ 100.00 ms MISS
  peak memory               70.0 MB      70.0 MB      35.0 MB    0.50  0.50–0.50       0.50  ≤ 0.40 MISS

A body (json)
  not run: no cgroup

Goals
  json            CPU per call           ratio 0.08   goal ≤ 0.10 ok
  json            latency p50            ratio 0.29   goal ≤ 100.00 ms MISS
  json            peak memory            ratio 0.50   goal ≤ 0.40 MISS
`
	if got := out.String(); got != want {
		t.Errorf("report:\n%s\nwant:\n%s", got, want)
	}
}

func TestChoose(t *testing.T) {
	for parts, want := range map[string]string{
		"":            strings.Join(names(scenarios), " "),
		"json":        "json",
		"cold,small":  "small cold",
		"tls2":        "json-tls2 base64-tls2 response-tls2 small-tls2 cold-tls2",
		"json,-quota": "json json-quota",
	} {
		got, err := choose(scenarios, parts)
		if err != nil || strings.Join(names(got), " ") != want {
			t.Errorf("%q chooses %q (%v), want %q", parts, names(got), err, want)
		}
	}
	if _, err := choose(scenarios, "json,nothing"); err == nil {
		t.Error("an unknown name is taken")
	}
}
