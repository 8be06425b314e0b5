package openapi_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"omr-relay/handler/openapi"
)

type object = map[string]any

func parsed(t *testing.T) object {
	t.Helper()
	var document object
	if err := json.Unmarshal(openapi.Document(), &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// operations calls yield with each, and with what its path item has for all.
func operations(t *testing.T, document object, yield func(path, method string, operation, item object)) {
	t.Helper()
	methods := []string{"get", "put", "post", "delete", "options", "head", "patch"}
	paths, _ := document["paths"].(object)
	for path, item := range paths {
		item, _ := item.(object)
		for method, operation := range item {
			if slices.Contains(methods, method) {
				operation, _ := operation.(object)
				yield(path, method, operation, item)
			} else if method != "parameters" {
				t.Errorf("%s has %s", path, method)
			}
		}
	}
}

// TestReferences: each leads somewhere, and nothing stands in components in vain.
func TestReferences(t *testing.T) {
	document := parsed(t)
	used := map[string]bool{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case object:
			if target, ok := v["$ref"].(string); ok {
				used[target] = true
				if resolve(document, target) == nil || len(v) > 1 {
					t.Errorf("%s refers to %s", at, target)
				}
			}
			for name, member := range v {
				walk(at+"/"+name, member)
			}
		case []any:
			for i, element := range v {
				walk(fmt.Sprint(at, "/", i), element)
			}
		}
	}
	walk("", document)
	components, _ := document["components"].(object)
	for kind, all := range components {
		all, _ := all.(object)
		for name := range all {
			if kind != "securitySchemes" && !used["#/components/"+kind+"/"+name] {
				t.Errorf("%s/%s is not used", kind, name)
			}
		}
	}
}

func resolve(document object, target string) any {
	var at any = document
	for name := range strings.SplitSeq(strings.TrimPrefix(target, "#/"), "/") {
		o, _ := at.(object)
		at = o[name]
	}
	return at
}

// TestOperations: each has an id of its own, answers with descriptions, the
// parameters of its path, and a security scheme that exists.
func TestOperations(t *testing.T) {
	document := parsed(t)
	if version, _ := document["openapi"].(string); !strings.HasPrefix(version, "3.1.") {
		t.Errorf("version %q", version)
	}
	ids := map[string]bool{}
	operations(t, document, func(path, method string, operation, item object) {
		id, _ := operation["operationId"].(string)
		if id == "" || ids[id] {
			t.Errorf("%s %s: operationId %q", method, path, id)
		}
		ids[id] = true
		responses, _ := operation["responses"].(object)
		if len(responses) == 0 {
			t.Errorf("%s %s answers nothing", method, path)
		}
		for status, response := range responses {
			response, _ := response.(object)
			if target, ok := response["$ref"].(string); ok {
				response, _ = resolve(document, target).(object)
			}
			if description, _ := response["description"].(string); description == "" || status != "default" && !regexp.MustCompile(`^[2-5]\d\d$`).MatchString(status) {
				t.Errorf("%s %s: response %s", method, path, status)
			}
		}
		var declared []string
		for _, list := range []any{item["parameters"], operation["parameters"]} {
			list, _ := list.([]any)
			for _, p := range list {
				p, _ := p.(object)
				target, _ := p["$ref"].(string)
				p, _ = resolve(document, target).(object)
				if p["in"] == "path" {
					name, _ := p["name"].(string)
					declared = append(declared, "{"+name+"}")
				}
			}
		}
		if in := regexp.MustCompile(`\{[a-z]+\}`).FindAllString(path, -1); !slices.Equal(in, declared) {
			t.Errorf("%s %s: parameters %q", method, path, declared)
		}
		security, ok := operation["security"].([]any)
		if !ok {
			security, _ = document["security"].([]any)
		}
		for _, requirement := range security {
			requirement, _ := requirement.(object)
			for scheme := range requirement {
				if resolve(document, "#/components/securitySchemes/"+scheme) == nil {
					t.Errorf("%s %s: scheme %s", method, path, scheme)
				}
			}
		}
	})
}
