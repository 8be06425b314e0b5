package handler

import (
	"regexp"
	"slices"

	"omr-relay/internal/problem"
)

// route is a capability of the relay, as the log names it.
type route string

const (
	routeNone   route = ""
	routeRelay  route = "/v{major}.{minor}/omr/"
	routeHealth route = "/healthz"
	routeToken  route = "/connect/token"
)

// relayed are the methods that a relayed call may have. TRACE is not among
// them: its answer repeats the request, Bearer and all.
var relayed = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

var versionSegment = regexp.MustCompile(`^v[0-9]{1,4}\.[0-9]{1,4}$`)

// findRoute is the allow-list, judged on the decoded segments of a clean path.
func findRoute(method string, t target) (route, error) {
	var found route
	var methods []string
	switch s := t.segments; {
	case len(s) == 1 && s[0] == "healthz":
		found, methods = routeHealth, []string{"GET"}
	case len(s) == 2 && (s[0] == "connect" || s[0] == "oauth2") && s[1] == "token":
		found, methods = routeToken, []string{"POST"}
	case len(s) >= 3 && versionSegment.MatchString(s[0]) && s[1] == "omr":
		found, methods = routeRelay, relayed
	default:
		return routeNone, &problem.Error{Code: problem.RouteNotFound, Detail: "The relay serves /v{major}.{minor}/omr/…, /connect/token and /healthz."}
	}
	if !slices.Contains(methods, method) {
		return found, &problem.Error{Code: problem.MethodNotAllowed, Detail: "The route does not have this method.", Allow: methods}
	}
	return found, nil
}
