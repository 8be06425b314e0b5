package handler

import (
	"context"
	"regexp"
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
	i := slices.IndexFunc(patterns, func(p pattern) bool { return p.matches(t.segments) })
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

// patterns are the routes' own, in their order.
var patterns = func() (all []pattern) {
	for _, r := range routes {
		all = append(all, compile(r.pattern))
	}
	return all
}()

// pattern has an expression for each segment of a path.
type pattern struct {
	segments []*regexp.Regexp
	rest     bool // any more may follow, one at least
}

func compile(text string) (p pattern) {
	for segment := range strings.SplitSeq(strings.TrimPrefix(text, "/"), "/") {
		if segment == "{rest+}" {
			p.rest = true
			break
		}
		expression := placeholder.ReplaceAllStringFunc(regexp.QuoteMeta(segment), func(name string) string {
			if name == `\{major\}` || name == `\{minor\}` {
				return "[0-9]{1,4}"
			}
			return ".+"
		})
		p.segments = append(p.segments, regexp.MustCompile("^"+expression+"$"))
	}
	return p
}

var placeholder = regexp.MustCompile(`\\\{[a-z]+\\\}`)

func (p pattern) matches(segments []string) bool {
	n := len(p.segments)
	if p.rest && len(segments) <= n || !p.rest && len(segments) != n {
		return false
	}
	for i, expression := range p.segments {
		if !expression.MatchString(segments[i]) {
			return false
		}
	}
	return true
}
