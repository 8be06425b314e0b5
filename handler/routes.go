package handler

import (
	"context"
	"slices"
	"strings"

	"omr-relay/handler/gateway"
	"omr-relay/internal/problem"
)

// route is a row of the table.
type route struct {
	// name stands for the path in the log.
	name string
	// pattern is a path whose placeholders stand for a segment each: {major} and
	// {minor} for a number, {rest+} for all that follow.
	pattern string
	methods []string
	// open says that the API asks for no key.
	open  bool
	serve func(*Handler, context.Context, *invocation, target) (*gateway.Answer, error)
}

// routes is the allow-list: a path that is none of these is answered with 404,
// and what is not given a function that calls the upstream does not reach it.
var routes = []route{
	{"/v{major}.{minor}/omr/", "/v{major}.{minor}/omr/{rest+}", relayed, false, (*Handler).relay},
	{"/recognize", "/recognize", []string{"POST"}, false, (*Handler).recognize},
	{"/recognize/{id}", "/recognize/{id}", []string{"GET", "DELETE"}, false, (*Handler).recognize},
	{"/uploads", "/uploads", []string{"POST"}, false, (*Handler).upload},
	{"/batches", "/batches", []string{"POST"}, false, (*Handler).batch},
	{"/batches/{id}", "/batches/{id}", []string{"GET", "DELETE"}, false, (*Handler).batch},
	{"/generate", "/generate", []string{"POST"}, false, (*Handler).generate},
	{"/generate/{id}", "/generate/{id}", []string{"GET", "DELETE"}, false, (*Handler).generate},
	{"/connect/token", "/connect/token", []string{"POST"}, true, (*Handler).relayToken},
	{"/connect/token", "/oauth2/token", []string{"POST"}, true, (*Handler).relayToken},
	{"/openapi.json", "/openapi.json", []string{"GET"}, false, (*Handler).describe},
	{"/healthz", "/healthz", []string{"GET"}, false, (*Handler).health},
}

// findRoute judges the decoded segments of a clean path. With an error it
// returns the route that does not have the method, if there is one.
func findRoute(method string, t target) (route, error) {
	i := slices.IndexFunc(routes, func(r route) bool { return r.matches(t.segments) })
	if i < 0 {
		return route{}, &problem.Error{Code: problem.RouteNotFound, Detail: "The relay serves " + served() + "."}
	}
	if r := routes[i]; !slices.Contains(r.methods, method) {
		return r, &problem.Error{Code: problem.MethodNotAllowed, Detail: "The route does not have this method.", Allow: r.methods}
	}
	return routes[i], nil
}

// served names the routes to a caller who has missed them.
func served() string {
	var all []string
	for _, r := range routes {
		all = append(all, strings.Replace(r.pattern, "{rest+}", "…", 1))
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " and " + all[last]
}

// matches reports whether the decoded segments of a path are of the route's pattern.
func (r *route) matches(segments []string) bool {
	pattern, more := strings.CutSuffix(strings.TrimPrefix(r.pattern, "/"), "/{rest+}")
	n := strings.Count(pattern, "/") + 1
	if more && len(segments) <= n || !more && len(segments) != n {
		return false
	}
	for _, segment := range segments[:n] {
		part, rest, _ := strings.Cut(pattern, "/")
		if !matchesSegment(part, segment) {
			return false
		}
		pattern = rest
	}
	return true
}

// matchesSegment compares one segment, whose placeholders stand for anything or,
// where they name a part of a version, for up to four digits.
func matchesSegment(pattern, segment string) bool {
	literal, rest, more := strings.Cut(pattern, "{")
	segment, ok := strings.CutPrefix(segment, literal)
	if !more || !ok {
		return ok && segment == ""
	}
	name, after, _ := strings.Cut(rest, "}")
	value := segment
	if end, _, _ := strings.Cut(after, "{"); end != "" {
		if value, _, ok = strings.Cut(segment, end); !ok {
			return false
		}
	}
	if value == "" || (name == "major" || name == "minor") && !isNumber(value) {
		return false
	}
	return matchesSegment(after, segment[len(value):])
}

func isNumber(s string) bool {
	return len(s) <= 4 && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
