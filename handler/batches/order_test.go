package batches_test

import (
	"strings"
	"testing"

	"omr-relay/internal/problem"
)

// TestWrongInput: what is wrong is said, with its field, and nothing is written.
func TestWrongInput(t *testing.T) {
	const encoded = `"eyJQYWdlcyI6W3siRWxlbWVudHMiOltdfV19"`
	good := `"` + upload(1) + `"`
	with := func(members string) string { return `{"pattern":` + encoded + `,` + members + `}` }
	uploads := func(list string) string { return with(`"uploads":[` + list + `]`) }
	for name, tt := range map[string]struct {
		body, field string
		code        problem.Code
	}{
		"no body":             {``, "", problem.BadRequest},
		"no object":           {`[]`, "", problem.BadRequest},
		"broken":              {`{"pattern":`, "", problem.BadRequest},
		"broken list":         {uploads(good + `,`), "", problem.BadRequest},
		"trailing":            {ordered("", upload(1)) + "x", "", problem.BadRequest},
		"nothing":             {`{}`, "pattern", problem.InvalidInput},
		"no pattern":          {`{"uploads":[` + good + `]}`, "pattern", problem.InvalidInput},
		"null pattern":        {`{"pattern":null,"uploads":[` + good + `]}`, "pattern", problem.InvalidInput},
		"pattern no text":     {`{"pattern":3,"uploads":[` + good + `]}`, "pattern", problem.InvalidInput},
		"pattern no base64":   {`{"pattern":"ü","uploads":[` + good + `]}`, "pattern", problem.InvalidInput},
		"another file":        {`{"pattern":"e30=","uploads":[` + good + `]}`, "pattern", problem.InvalidInput},
		"empty pattern":       {`{"pattern":"","uploads":[` + good + `]}`, "pattern", problem.InvalidInput},
		"two patterns":        {with(`"omrFile":` + encoded + `,"uploads":[` + good + `]`), "pattern", problem.InvalidInput},
		"no scans":            {`{"pattern":` + encoded + `}`, "uploads", problem.InvalidInput},
		"both":                {with(`"uploads":[` + good + `],"prefix":"a/"`), "uploads", problem.InvalidInput},
		"uploads twice":       {with(`"uploads":[` + good + `],"Uploads":[` + good + `]`), "uploads", problem.InvalidInput},
		"no list":             {with(`"uploads":` + good), "uploads", problem.InvalidInput},
		"empty list":          {uploads(""), "uploads", problem.InvalidInput},
		"too many":            {uploads(good + strings.Repeat(","+good, 3)), "uploads", problem.InvalidInput},
		"a number":            {uploads("3"), "uploads", problem.InvalidInput},
		"null":                {uploads("null"), "uploads", problem.InvalidInput},
		"a list":              {uploads("[" + good + "]"), "uploads", problem.InvalidInput},
		"short id":            {uploads(`"abc"`), "uploads", problem.InvalidInput},
		"capitals":            {uploads(`"` + strings.Repeat("A", 32) + `"`), "uploads", problem.InvalidInput},
		"a path":              {uploads(`"../../` + upload(1)[6:] + `"`), "uploads", problem.InvalidInput},
		"empty object":        {uploads(`{}`), "uploads", problem.InvalidInput},
		"name alone":          {uploads(`{"name":"x"}`), "uploads", problem.InvalidInput},
		"unknown member":      {uploads(`{"upload":` + good + `,"page":1}`), "uploads", problem.InvalidInput},
		"name no text":        {uploads(`{"upload":` + good + `,"name":1}`), "uploads", problem.InvalidInput},
		"empty name":          {uploads(`{"upload":` + good + `,"name":""}`), "uploads", problem.InvalidInput},
		"name with a line":    {uploads(`{"upload":` + good + `,"name":"a\nb"}`), "uploads", problem.InvalidInput},
		"name with a control": {uploads(`{"upload":` + good + `,"name":"a\u0085b"}`), "uploads", problem.InvalidInput},
		"name with U+2028":    {uploads(`{"upload":` + good + `,"name":"a\u2028b"}`), "uploads", problem.InvalidInput},
		"name not UTF-8":      {uploads(`{"upload":` + good + `,"name":"a` + "\xff" + `"}`), "uploads", problem.InvalidInput},
		"long name":           {uploads(`{"upload":` + good + `,"name":"` + strings.Repeat("ü", 256) + `"}`), "uploads", problem.InvalidInput},
		"prefix no text":      {with(`"prefix":1`), "prefix", problem.InvalidInput},
		"empty prefix":        {with(`"prefix":""`), "prefix", problem.InvalidInput},
		"no slash":            {with(`"prefix":"a"`), "prefix", problem.InvalidInput},
		"a slash":             {with(`"prefix":"/"`), "prefix", problem.InvalidInput},
		"from the root":       {with(`"prefix":"/a/"`), "prefix", problem.InvalidInput},
		"another's":           {with(`"prefix":"../other/"`), "prefix", problem.InvalidInput},
		"another's, later":    {with(`"prefix":"a/../../other/"`), "prefix", problem.InvalidInput},
		"control":             {with(`"prefix":"a\u0000/"`), "prefix", problem.InvalidInput},
		"threshold text":      {with(`"uploads":[` + good + `],"recognitionThreshold":"3"`), "recognitionThreshold", problem.InvalidInput},
		"threshold part":      {with(`"uploads":[` + good + `],"recognitionThreshold":3.5`), "recognitionThreshold", problem.InvalidInput},
		"threshold above":     {with(`"uploads":[` + good + `],"recognitionThreshold":101`), "recognitionThreshold", problem.InvalidInput},
		"threshold below":     {with(`"uploads":[` + good + `],"recognitionThreshold":-1`), "recognitionThreshold", problem.InvalidInput},
		"JSON":                {with(`"uploads":[` + good + `],"format":"JSON"`), "format", problem.InvalidInput},
		"format no text":      {with(`"uploads":[` + good + `],"format":1`), "format", problem.InvalidInput},
		"name of the batch":   {with(`"uploads":[` + good + `],"name":"` + strings.Repeat("x", 256) + `"`), "name", problem.InvalidInput},
		"misspelt":            {with(`"uploads":[` + good + `],"treshold":30`), "", problem.InvalidInput},
	} {
		w := newWorld()
		r := w.post(t, request(one, tt.body))
		if r.code != tt.code || r.err.Field != tt.field || r.err.Detail == "" {
			t.Errorf("%s: %+v", name, r)
		}
		if len(w.calls) != 0 {
			t.Errorf("%s: calls %q", name, w.calls)
		}
	}
}

// What is no JSON, or is said beside it, is refused as well.
func TestWrongRequest(t *testing.T) {
	w := newWorld()
	body := ordered("", upload(1))
	query := request(one, body)
	query.Query = "name=x"
	if r := w.post(t, query); r.code != problem.InvalidInput {
		t.Errorf("a query: %+v", r)
	}
	fault := request(one, body)
	fault.Fault = &problem.Error{Code: problem.BadRequest}
	if r := w.post(t, fault); r.code != problem.BadRequest {
		t.Errorf("a fault: %+v", r)
	}
	for _, headers := range [][]string{
		{"Content-Type", "multipart/form-data; boundary=x"}, {"Content-Type", ""}, {"Content-Type", "text/plain"}, {"Content-Encoding", "gzip"},
	} {
		if r := w.post(t, request(one, body, headers...)); r.code != problem.UnsupportedMediaType {
			t.Errorf("%q: %+v", headers, r)
		}
	}
	if r := w.post(t, request(one, body, "Idempotency-Key", "")); r.code != problem.BadRequest {
		t.Errorf("an empty key: %+v", r)
	}
	if len(w.calls) != 0 {
		t.Errorf("calls %q", w.calls)
	}
}
