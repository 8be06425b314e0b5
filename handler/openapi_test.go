package handler

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"omr-relay/handler/openapi"
)

// TestOpenAPI holds the description to the codes and the routes: it has every
// route with its methods, and no other.
func TestOpenAPI(t *testing.T) {
	var document struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct {
			Schemas struct {
				Problem struct {
					Properties struct{ Code struct{ Enum []string } }
				}
			}
		}
	}
	if err := json.Unmarshal(openapi.Document(), &document); err != nil {
		t.Fatal(err)
	}
	var codes []string
	for code := range problems {
		codes = append(codes, string(code))
	}
	described := document.Components.Schemas.Problem.Properties.Code.Enum
	slices.Sort(codes)
	slices.Sort(described)
	if !slices.Equal(codes, described) {
		t.Errorf("the description has the codes %q, the table %q", described, codes)
	}
	described = nil
	for path := range document.Paths {
		described = append(described, path)
	}
	for _, r := range routes {
		path := strings.Replace(r.pattern, "{rest+}", "{path}", 1)
		for _, method := range r.methods {
			if document.Paths[path][strings.ToLower(method)] == nil {
				t.Errorf("the description lacks %s %s", method, path)
			}
		}
		described = slices.DeleteFunc(described, func(p string) bool { return p == path })
	}
	if len(described) > 0 {
		t.Errorf("the description has %q, which are no routes", described)
	}
}
