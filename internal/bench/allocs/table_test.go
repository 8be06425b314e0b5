package main

import (
	"slices"
	"testing"
)

const output = `goos: linux
pkg: omr-relay/handler
BenchmarkInvoke/small-2         	      50	     31000 ns/op	    9811 B/op	      92 allocs/op
BenchmarkInvoke/small-2         	      50	     29000 ns/op	    9790 B/op	      91 allocs/op
BenchmarkInvoke/form-2          	      50	   3100000 ns/op	1444.50 MB/s	 8123456 B/op	     105 allocs/op
PASS
pkg: omr-relay/internal/token
BenchmarkHit                    	      50	        31.43 ns/op	       0 B/op	       0 allocs/op
ok  	omr-relay/internal/token	0.1s
`

func TestParseBenchmarks(t *testing.T) {
	want := []row{{"handler.Invoke/form", 105, 8123456, 3100000}, {"handler.Invoke/small", 91, 9790, 29000}, {"internal/token.Hit", 0, 0, 31}}
	if got := parseBenchmarks(output); !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
}

func TestTableRoundTrip(t *testing.T) {
	got := parseTable(format(parseBenchmarks(output)))
	want := []row{{"handler.Invoke/form", 105, 8200000, 3100000}, {"handler.Invoke/small", 91, 9800, 29000}, {"internal/token.Hit", 0, 0, 31}}
	if !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
}

func TestCompare(t *testing.T) {
	table := []row{{name: "a", allocs: 0}, {name: "b", allocs: 99}, {name: "c", allocs: 200}}
	for name, tc := range map[string]struct {
		now  []row
		want []string
	}{
		"unchanged": {table, nil},
		"fewer":     {[]row{{name: "a"}, {name: "b", allocs: 9}, {name: "c", allocs: 9}}, nil},
		"bytes":     {[]row{{name: "a", bytes: 9}, {name: "b", allocs: 99}, {name: "c", allocs: 202}}, nil},
		"grown": {[]row{{name: "a", allocs: 1}, {name: "b", allocs: 100}, {name: "c", allocs: 203}},
			[]string{"a: 1 allocs/op, 0 in the table", "b: 100 allocs/op, 99 in the table", "c: 203 allocs/op, 200 in the table"}},
		"gone": {table[:2], []string{"c is gone"}},
		"new":  {append(slices.Clone(table), row{name: "d"}), []string{"d is not in the table"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := compare(table, tc.now); !slices.Equal(got, tc.want) {
				t.Errorf("faults %q, want %q", got, tc.want)
			}
		})
	}
}
