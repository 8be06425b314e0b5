package handler_test

import (
	"net/http"
	"strings"
	"testing"
)

// A path that two readers could read differently is refused before any call.
func TestPathsRefused(t *testing.T) {
	const (
		dots     = "It has a dot segment."
		twice    = "It is percent-encoded twice."
		control  = "It has control characters."
		back     = "It has a backslash."
		empty    = "It has an empty segment."
		notUTF8  = "It is not UTF-8."
		relative = "It does not begin with a slash."
	)
	for path, why := range map[string]string{
		"/v5.0/omr/..":                dots,
		"/v5.0/omr/../x":              dots,
		"/v5.0/omr/./x":               dots,
		"/v5.0/omr/%2e%2e/x":          dots,
		"/v5.0/omr/.%2E/x":            dots,
		"/v5.0/omr/%2E.":              dots,
		"/v5.0/omr/..;/x":             dots,
		"/v5.0/omr/..;a=b/x":          dots,
		"/v5.0/omr/..%3B/x":           dots,
		"/v5.0/omr/%2e%2e%3ba/x":      dots,
		"/v5.0/omr/;a=b/x":            dots,
		"/v5.0/omr/;/x":               dots,
		"/v5.0/omr/.. /x":             dots,
		"/v5.0/omr/..%20/x":           dots,
		"/v5.0/omr/%20../x":           dots,
		"/v5.0/omr/. ./x":             dots,
		"/v5.0/omr/.../x":             dots,
		"/v5.0/omr/%20/x":             dots,
		"/v5.0/omr/a%2F..%2Fb":        dots,
		"/v5.0/omr/a%2f%2e%2e":        dots,
		"/v5.0/omr/..%2Fx":            dots,
		"/%2e%2e/v5.0/omr/x":          dots,
		"/v5.0/../v5.0/omr/x":         dots,
		"/v5.0/omr/%252e%252e/x":      twice,
		"/v5.0/omr/%252Fx":            twice,
		"/v5.0/omr/%25252e/x":         twice,
		"/v5.0/omr/a%2541":            twice,
		"/v5.0/omr/%25%32%65/x":       twice,
		"/v5.0/omr/%%32e%%32e/x":      twice,
		"/v5.0/omr/100%25ab":          twice,
		"/v5.0/omr/a\\b":              back,
		"/v5.0/omr/..\\x":             back,
		"/v5.0/omr/%5c..%5cx":         back,
		"/v5.0/omr/%5C":               back,
		"//v5.0/omr/x":                empty,
		"/v5.0//omr/x":                empty,
		"/v5.0/omr//x":                empty,
		"/v5.0/omr/x//":               empty,
		"/v5.0/omr/%2f%2fevil.test/":  empty,
		"/v5.0/omr/%2Fx":              empty,
		"/v5.0/omr/x%2F/":             empty,
		"/v5.0/omr/a%00b":             control,
		"/v5.0/omr/a\x00b":            control,
		"/v5.0/omr/a%0d%0aX-Y:%20z":   control,
		"/v5.0/omr/a\r\nX-Y: z":       control,
		"/v5.0/omr/a%09":              control,
		"/v5.0/omr/a%1f":              control,
		"/v5.0/omr/a%7F":              control,
		"/v5.0/omr/a%C2%85":           control,
		"/v5.0/omr/a\u009f":           control,
		"/v5.0/omr/%c0%ae%c0%ae/x":    notUTF8,
		"/v5.0/omr/%e0%80%ae/x":       notUTF8,
		"/v5.0/omr/%c0%af":            notUTF8,
		"/v5.0/omr/%ff":               notUTF8,
		"/v5.0/omr/%ed%a0%80":         notUTF8,
		"v5.0/omr/x":                  relative,
		"*":                           relative,
		"http://evil.test/v5.0/omr/x": relative,
		"%2Fv5.0/omr/x":               relative,
	} {
		for kind, e := range eachKind(http.MethodGet, path) {
			f := newFixture(nil)
			e = e.with("pathParameters", nil) // nothing but the path itself
			p := wantProblem(t, invoke(t, f, e), http.StatusBadRequest, "bad_request")
			if want := "The path is refused. " + why; p.Detail != want {
				t.Errorf("%s %q: got %q, want %q", kind, path, p.Detail, want)
			}
			f.none(t)
		}
	}
}

// What is legitimate arrives byte for byte, and what cannot stand on a request
// line is encoded, once.
func TestPathsRelayed(t *testing.T) {
	for path, want := range map[string]string{
		"/v5.0/omr/":                               "",
		"/v5.0/omr/x":                              "",
		"/v5.0/omr/x/":                             "",
		"/v5.0/omr/recognize":                      "",
		"/v1.1/omr/form.png/runOmrTask":            "",
		"/v1234.1234/omr/x":                        "",
		"/v3.0/omr/storage/file/a%2Fb.png":         "",
		"/v3.0/omr/storage/file/a%2fb.png":         "",
		"/v5.0/omr/a%20b+c":                        "",
		"/v5.0/omr/x;v=1":                          "",
		"/v5.0/omr/x;":                             "",
		"/v5.0/omr/a:b@c":                          "",
		"/v5.0/omr/~!$&'()*,=-_[]|":                "",
		"/v5.0/omr/%C3%BC":                         "",
		"/v5.0/omr/%c3%bc":                         "",
		"/v5.0/omr/%41":                            "",
		"/v5.0/omr/100%25":                         "",
		"/v5.0/omr/100%25x":                        "",
		"/v5.0/omr/..x/x../.x./x.../x%20":          "",
		"/v5.0/omr/%e2%80%a8":                      "",
		"/%765.0/omr/x":                            "",
		"/v5%2E0/%6Fmr/x":                          "",
		"/v5.0/omr/ü b":                            "/v5.0/omr/%C3%BC%20b",
		"/v5.0/omr/100%":                           "/v5.0/omr/100%25",
		"/v5.0/omr/%zz%4":                          "/v5.0/omr/%25zz%254",
		"/v5.0/omr/%%41":                           "/v5.0/omr/%25%41",
		"/v5.0/omr/%u002e":                         "/v5.0/omr/%25u002e",
		"/v5.0/omr/a?b#c":                          "/v5.0/omr/a%3Fb%23c",
		"/v5.0/omr/\"<>^`{}":                       "/v5.0/omr/%22%3C%3E%5E%60%7B%7D",
		"/v5.0/omr/" + strings.Repeat("a/", 400):   "",
		"/v5.0/omr/" + strings.Repeat("%C3%9F", 9): "",
	} {
		if want == "" {
			want = path
		}
		for kind, e := range eachKind(http.MethodGet, path) {
			f := newFixture(nil)
			if r := invoke(t, f, e); r.StatusCode != http.StatusOK {
				t.Errorf("%s %q: answered %d %s", kind, path, r.StatusCode, r.body)
				continue
			}
			if got := f.only(t).target; got != want {
				t.Errorf("%s %q: got %s, want %s", kind, path, got, want)
			}
		}
	}
}

// What stands before the relay's own path is found by the resource that
// matched, whichever of the two comes encoded.
func TestOwnPath(t *testing.T) {
	for name, test := range map[string]struct {
		path, resource string
		params         map[string]string
		want           string // after what cannot stand on a request line is encoded
	}{
		"base path":              {"/base/v5.0/omr/x", "/{proxy+}", map[string]string{"proxy": "v5.0/omr/x"}, "/v5.0/omr/x"},
		"trailing slash":         {"/base/v5.0/omr/x/", "/{proxy+}", map[string]string{"proxy": "v5.0/omr/x"}, "/v5.0/omr/x/"},
		"base path like ours":    {"/v1.0/omr/v5.0/omr/x", "/{proxy+}", map[string]string{"proxy": "v5.0/omr/x"}, "/v5.0/omr/x"},
		"parameter decoded":      {"/base/v5.0/omr/a%2Fb%20c", "/{proxy+}", map[string]string{"proxy": "v5.0/omr/a/b c"}, "/v5.0/omr/a%2Fb%20c"},
		"path decoded":           {"/base/v5.0/omr/ü", "/{proxy+}", map[string]string{"proxy": "v5.0/omr/%C3%BC"}, "/v5.0/omr/%C3%BC"},
		"both encoded":           {"/base/v5.0/omr/100%25", "/{proxy+}", map[string]string{"proxy": "v5.0/omr/100%25"}, "/v5.0/omr/100%25"},
		"both decoded":           {"/base/v5.0/omr/100%", "/{proxy+}", map[string]string{"proxy": "v5.0/omr/100%"}, "/v5.0/omr/100%25"},
		"resource with a prefix": {"/base/v5.0/omr/x", "/v5.0/omr/{rest+}", map[string]string{"rest": "x"}, "/v5.0/omr/x"},
		"plain resource":         {"/base/v5.0/omr/x", "/v5.0/omr/x", nil, "/v5.0/omr/x"},
		"two parameters":         {"/base/v5.0/omr/x", "/{version}/omr/{rest+}", map[string]string{"version": "v5.0", "rest": "x"}, "/v5.0/omr/x"},
		"no parameters":          {"/v5.0/omr/x", "/{proxy+}", nil, "/v5.0/omr/x"},
		"no resource":            {"/v5.0/omr/x", "", map[string]string{"proxy": "other"}, "/v5.0/omr/x"},
		"another route":          {"/v5.0/omr/x", "$default", map[string]string{"proxy": "other"}, "/v5.0/omr/x"},
		"unlike each other":      {"/elsewhere", "/{proxy+}", map[string]string{"proxy": "v5.0/omr/x"}, "/v5.0/omr/x"},
		"shorter than meant":     {"/x", "/{proxy+}", map[string]string{"proxy": "v5.0/omr/x"}, "/v5.0/omr/x"},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, e := range map[string]event{
				"rest": restEvent(http.MethodGet, test.path).with("resource", test.resource).with("pathParameters", test.params),
				"http": httpEvent(http.MethodGet, test.path).with("routeKey", "ANY "+test.resource).with("pathParameters", test.params),
			} {
				f := newFixture(nil)
				invoke(t, f, e)
				if got := f.only(t).target; got != test.want {
					t.Errorf("%s: got %s, want %s", kind, got, test.want)
				}
			}
		})
	}
}

// A stage stands before the path only where it is a whole segment of it.
func TestStageOfAnHTTPAPI(t *testing.T) {
	for _, test := range []struct{ stage, path, want string }{
		{"dev", "/dev/v5.0/omr/x", "/v5.0/omr/x"},
		{"dev", "/v5.0/omr/x", "/v5.0/omr/x"},
		{"$default", "/v5.0/omr/x", "/v5.0/omr/x"},
		{"", "/v5.0/omr/x", "/v5.0/omr/x"},
		{"v5", "/v5.0/omr/x", "/v5.0/omr/x"},
		{"dev", "/dev", ""},
		{"dev", "/dev/", ""},
		{"dev", "/development/v5.0/omr/x", ""},
		{"dev", "/dev/dev/v5.0/omr/x", ""},
		{"$default", "/$default/v5.0/omr/x", ""},
	} {
		f := newFixture(nil)
		r := invoke(t, f, httpEvent(http.MethodGet, test.path).with("requestContext", map[string]any{
			"stage": test.stage, "http": map[string]string{"method": http.MethodGet},
		}))
		if test.want == "" {
			wantProblem(t, r, http.StatusNotFound, "route_not_found")
			f.none(t)
		} else if got := f.only(t).target; got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}
