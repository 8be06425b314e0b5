package handler

import (
	"errors"
	"strings"
	"testing"

	"omr-relay/internal/problem"
)

// filled is a path that the pattern matches.
func filled(pattern string) string {
	return strings.NewReplacer("{major}", "5", "{minor}", "0", "{rest+}", "a/b", "{id}", "x").Replace(pattern)
}

// Whatever is in the table is routed to its own row, and what it does not have is
// said from there.
func TestTableIsWhatIsRouted(t *testing.T) {
	for _, row := range routes {
		path, err := cleanPath(filled(row.pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range row.methods {
			if found, err := findRoute(method, path); err != nil || found.pattern != row.pattern {
				t.Errorf("%s %s: %q, %v", method, row.pattern, found.pattern, err)
			}
		}
		found, err := findRoute("TRACE", path)
		e, ok := errors.AsType[*problem.Error](err)
		if !ok || e.Code != problem.MethodNotAllowed || strings.Join(e.Allow, " ") != strings.Join(row.methods, " ") || found.name != row.name {
			t.Errorf("TRACE %s: %+v, %v", row.pattern, found, err)
		}
		if row.name == "" || row.serve == nil {
			t.Errorf("%s has no name in the log, or nothing that answers it", row.pattern)
		}
		_, err = findRoute("GET", target{segments: []string{"nowhere"}})
		if e := problem.From(err); e.Code != problem.RouteNotFound || !strings.Contains(e.Detail, strings.Replace(row.pattern, "{rest+}", "…", 1)) {
			t.Errorf("a caller who missed %s is told %q", row.pattern, e.Detail)
		}
	}
}
