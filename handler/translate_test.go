package handler_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every event in testdata/events arrives upstream as the file of its name in
// testdata/requests has it: the request line and the header lines as they are
// on the wire, sorted, and the body.
func TestEventsArriveUpstream(t *testing.T) {
	upstream := listenRaw(t, okTo)
	relay := behindSocket(t, upstream.url(), "golden-token")
	files, err := filepath.Glob("testdata/events/*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d events, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			payload, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			before := len(upstream.requests())
			out, err := relay.Invoke(t.Context(), payload)
			if err != nil {
				t.Fatal(err)
			}
			if r := readReply(t, out); r.StatusCode != http.StatusOK || string(r.body) != "ok" {
				t.Errorf("answered %d %s", r.StatusCode, r.body)
			}
			arrived := upstream.requests()[before:]
			if len(arrived) != 1 {
				t.Fatalf("%d requests arrived", len(arrived))
			}
			golden(t, "requests/"+name+".txt", fmt.Append(nil, arrived[0]))
		})
	}
}

// The upstream may live under a path of its own.
func TestBaseURLWithAPath(t *testing.T) {
	for _, base := range []string{"/mirror/a%2Fb", "/mirror/a%2Fb/"} {
		upstream := listenRaw(t, okTo)
		relay := behindSocket(t, upstream.url()+base, "token")
		invoke(t, relay, resultEvent())
		if got, want := upstream.requests()[0].line, "GET /mirror/a%2Fb"+resultPath+" HTTP/1.1"; got != want {
			t.Errorf("%s: got %s, want %s", base, got, want)
		}
	}
}

// The order of a query's names is the event's, not the alphabet's, and a space
// is %20.
func TestRESTQueryKeepsItsOrder(t *testing.T) {
	for name, test := range map[string]struct{ member, query, want string }{
		"multi":        {"multiValueQueryStringParameters", `{"z":["1","2"],"a":["3"],"m":[]}`, "z=1&z=2&a=3"},
		"single":       {"queryStringParameters", `{"z":"1","a b":"c d","a":""}`, "z=1&a%20b=c%20d&a="},
		"reserved":     {"queryStringParameters", `{"+&=#%?/":"+&=#%?/"}`, "%2B%26%3D%23%25%3F%2F=%2B%26%3D%23%25%3F%2F"},
		"line breaks":  {"queryStringParameters", `{"a":"\r\nX: y"}`, "a=%0D%0AX%3A%20y"},
		"null value":   {"multiValueQueryStringParameters", `{"a":null,"b":[null,"c"]}`, "b=c"},
		"empty object": {"multiValueQueryStringParameters", `{}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(nil)
			payload := fmt.Sprintf(`{"httpMethod":"GET","path":%q,%q:%s}`, resultPath, test.member, test.query)
			if _, err := f.Invoke(t.Context(), []byte(payload)); err != nil {
				t.Fatal(err)
			}
			_, got, _ := strings.Cut(f.only(t).target, "?")
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// Both lists of API Gateway carry the same query; it must not be sent twice.
func TestRESTQueryIsTakenOnce(t *testing.T) {
	f := newFixture(nil)
	invoke(t, f, resultEvent().
		with("queryStringParameters", map[string]string{"id": "2"}).
		with("multiValueQueryStringParameters", map[string][]string{"id": {"1", "2"}}))
	if got, want := f.only(t).target, resultPath+"?id=1&id=2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A raw query goes through as it is, except for what cannot stand on a request
// line.
func TestRawQuery(t *testing.T) {
	for query, want := range map[string]string{
		"":                     "",
		"id=1&":                "?id=1&",
		"&":                    "?&",
		"a=%41%zz&+=+&a":       "?a=%41%zz&+=+&a",
		"a=/?:@!$'()*,;[]|~":   "?a=/?:@!$'()*,;[]|~",
		"a=\"<>\\^`{}#\x7f \t": "?a=%22%3C%3E%5C%5E%60%7B%7D%23%7F%20%09",
		"a=ü\r\nX: y":          "?a=%C3%BC%0D%0AX:%20y",
	} {
		f := newFixture(nil)
		invoke(t, f, httpEvent(http.MethodGet, resultPath).with("rawQueryString", query))
		if got := f.only(t).target; got != resultPath+want {
			t.Errorf("%q became %s, want %s", query, got, resultPath+want)
		}
	}
}
