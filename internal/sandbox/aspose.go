package sandbox

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxAsposeRequest is a scan of 200 MB and its pattern, in base64.
const maxAsposeRequest = 300 << 20

// Aspose stands in for Aspose.OMR Cloud: the v5.0 task queues, and as much of
// the v3.0 and v1.1 API (runOmrTask, storage) as the older SDKs' demos use.
// Every call needs a Bearer token, except GET and HEAD of "/".
//
// Tasks never run; they are ready after a number of polls, whatever the clock
// says, unless a test wants it otherwise, and are kept until they are cancelled.
// As the service does, it looks at a task's first image alone, and refuses one of
// several pages.
type Aspose struct {
	Tap

	// Valid judges a Bearer token; nil takes any.
	Valid func(token string) bool

	// MaxRequest is how many bytes a request may have; 0 means 300 MB: the service
	// names no limit for a document, but a test's mistake must not fill the memory.
	MaxRequest int64

	mu         sync.Mutex // guards what follows
	tasks      map[string]*task
	extraPolls int // NotReady answers a new task gives beyond the first
	readyAfter time.Duration
	readyBy    time.Duration
	outcomes   []Outcome // of the next tasks
	storage    storage
}

// SetNotReady sets how many polls of each new task answer NotReady before the
// result comes: 1 by default, 0 for a task that is ready at once.
func (a *Aspose) SetNotReady(polls int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.extraPolls = max(polls, 0) - 1
}

type endpoint = func(a *Aspose, w http.ResponseWriter, r *http.Request, body []byte)

// v5 maps path and method to what serves them. A cancel has two spellings in
// the SDKs.
var v5 = map[string]map[string]endpoint{
	"/v5.0/omr/recognize":                                 {http.MethodPost: submitRecognition},
	"/v5.0/omr/RecognizeTemplate/PostRecognizeTemplate":   {http.MethodPost: submitRecognition},
	"/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate":    {http.MethodGet: fetch(recognition)},
	"/v5.0/omr/RecognizeTemplate":                         {http.MethodDelete: cancel(recognition)},
	"/v5.0/omr/RecognizeTemplate/CancelRecognizeTemplate": {http.MethodDelete: cancel(recognition)},
	"/v5.0/omr/GenerateTemplate/PostGenerateTemplate":     {http.MethodPost: submitGeneration},
	"/v5.0/omr/GenerateTemplate/GetGenerateTemplate":      {http.MethodGet: fetch(generation)},
	"/v5.0/omr/GenerateTemplate":                          {http.MethodDelete: cancel(generation)},
	"/v5.0/omr/GenerateTemplate/CancelGenerateTemplate":   {http.MethodDelete: cancel(generation)},
}

// ServeHTTP implements [http.Handler].
func (a *Aspose) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, body, err := a.receive(w, r, cmp.Or(a.MaxRequest, maxAsposeRequest))
	if a.takenOver(w, r) {
		return
	}
	path := r.URL.EscapedPath()
	if path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("Stand-in for Aspose.OMR Cloud. " + sampleNote + "\n"))
		return
	}
	if challenge := a.challenge(r); challenge != "" {
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	serve, allowed := route(r.Method, path)
	switch {
	case serve != nil:
		serve(a, w, r, body)
	case allowed != nil:
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// route returns what serves the request or, for a known path, the methods that
// would have been.
func route(method, path string) (serve endpoint, allowed []string) {
	methods := v5[path]
	if methods == nil {
		methods = legacyRoute(path)
	}
	if methods == nil {
		return nil, nil
	}
	return methods[method], slices.Sorted(maps.Keys(methods))
}

// challenge returns the WWW-Authenticate value for a request without a valid
// token (RFC 6750 §3: no error code if there are no credentials at all), else
// nothing.
func (a *Aspose) challenge(r *http.Request) string {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "Bearer"
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) == 1 && strings.EqualFold(scheme, "Bearer") && token != "" && (a.Valid == nil || a.Valid(token)) {
		return ""
	}
	return `Bearer error="invalid_token"`
}

type kind string

const (
	recognition kind = "recognition"
	generation  kind = "generation"
)

// task is a submitted task. Its result depends on the format alone, so nothing
// of what was submitted is kept.
type task struct {
	kind   kind
	format string // of a recognition: Csv, Json or Xml
	polls  int    // NotReady answers still to give

	readyAt   time.Time
	readyBy   time.Time // whatever polls says
	outcome   Outcome
	manyPages bool // of what was submitted, which the service refuses
}

// submit queues a task and answers its id: as bare text, or as a JSON string to
// a client that would rather have JSON, as the Python SDK does.
func (a *Aspose) submit(w http.ResponseWriter, r *http.Request, t task) {
	id := newGUID()
	a.mu.Lock()
	if a.tasks == nil {
		a.tasks = map[string]*task{}
	}
	a.setFateLocked(&t)
	a.tasks[id] = &t
	a.mu.Unlock()
	if prefersJSON(r.Header.Get("Accept")) {
		writeJSON(w, http.StatusOK, "application/json; charset=utf-8", id)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(id))
}

// prefersJSON reports whether JSON comes before text in an Accept value.
// Quality values are ignored: no SDK sends any.
func prefersJSON(accept string) bool {
	for mediaRange := range strings.SplitSeq(accept, ",") {
		mediaRange, _, _ = strings.Cut(mediaRange, ";")
		switch strings.ToLower(strings.TrimSpace(mediaRange)) {
		case "text/plain", "text/*", "*/*":
			return false
		case "application/json", "text/json", "application/*":
			return true
		}
	}
	return false
}

// omrResponse is the answer to a poll, fields in the order of the service.
type omrResponse struct {
	ID                 string      `json:"id"`
	ResponseStatusCode string      `json:"responseStatusCode"`
	Results            []omrResult `json:"results"`
	Error              *omrError   `json:"error"`
}

type omrResult struct {
	Type string `json:"type"`
	Data []byte `json:"data"`
}

func fetch(k kind) endpoint {
	return func(a *Aspose, w http.ResponseWriter, r *http.Request, _ []byte) {
		id := taskID(w, r)
		if id == "" {
			return
		}
		answer := omrResponse{ID: id, ResponseStatusCode: "TaskNotFound"}
		a.mu.Lock()
		if t := a.tasks[strings.ToLower(id)]; t != nil && t.kind == k {
			answer = t.answerLocked(id)
		}
		a.mu.Unlock()
		writeJSON(w, http.StatusOK, "application/json; charset=utf-8", answer)
	}
}

func (t *task) results() []omrResult {
	if t.kind == generation {
		return []omrResult{{"Png", SampleForm()}, {"Omr", SamplePattern()}}
	}
	return []omrResult{{t.format, sampleResults[t.format]}}
}

// cancel answers an unknown id like a known one: either way the task is gone.
func cancel(k kind) endpoint {
	return func(a *Aspose, w http.ResponseWriter, r *http.Request, _ []byte) {
		id := strings.ToLower(taskID(w, r))
		if id == "" {
			return
		}
		a.mu.Lock()
		if t := a.tasks[id]; t != nil && t.kind == k {
			delete(a.tasks, id)
		}
		a.mu.Unlock()
		w.WriteHeader(http.StatusOK)
	}
}

// taskID returns the query's id, or answers 400 and returns nothing.
func taskID(w http.ResponseWriter, r *http.Request) string {
	// Lenient like ASP.NET: a stray pair elsewhere in the query spoils nothing.
	query, _ := url.ParseQuery(r.URL.RawQuery)
	id := query.Get("id")
	if id == "" {
		writeProblem(w, "id", "The id field is required.")
	}
	return id
}
