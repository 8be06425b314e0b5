package main

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// admission says which requests reach the function: with keys, those that carry
// one, as the deployed API has it; without, those that a person at this machine
// made, and not a page that a browser happens to show.
type admission struct {
	keys apiKeys
	host string // that start-api was told to serve on
	// origin is the one whose pages may call, OMR_ALLOW_ORIGIN; empty is none.
	origin string
	// tell is told why a request was turned away; nil is nobody.
	tell func(why string)
}

func (a *admission) say(why string) {
	if a.tell != nil {
		a.tell(why)
	}
}

// admit says whether the request may reach the function, and whose it is. If not,
// it has answered.
func (a *admission) admit(w http.ResponseWriter, r *http.Request) (caller, bool) {
	if len(a.keys) == 0 {
		return caller{}, a.fromHere(w, r)
	}
	if a.preflight(r) {
		return caller{}, true // a browser asks before it sends a key, and the relay answers by itself
	}
	from, verdict := a.keys.judge(r)
	switch verdict {
	case admitted:
		return from, true
	case unknownKey:
		a.say("403: the key is none of --api-key's")
		refuse(w, http.StatusForbidden, "INVALID_API_KEY", "Forbidden")
	case noKey:
		why := "401: no API key; send Authorization: Bearer KEY"
		if r.Header.Get("X-Api-Key") != "" {
			why = "401: x-api-key is not read; send Authorization: Bearer KEY"
		}
		a.say(why)
		w.Header().Set("WWW-Authenticate", `Bearer realm="omr-relay"`)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "Unauthorized")
	}
	return caller{}, false
}

// preflight reports whether the deployed API would answer the request without a key,
// because a page of the allowed origin has to ask so before it calls.
func (a *admission) preflight(r *http.Request) bool {
	return a.origin != "" && r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// fromHere keeps other people's pages out of an API without keys, behind which
// there may be a real secret. A name that was made to resolve to this machine
// shows in Host (DNS rebinding), which addresses cannot be; a page of another
// origin shows in the headers that browsers set.
func (a *admission) fromHere(w http.ResponseWriter, r *http.Request) bool {
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	name = strings.Trim(name, "[]")
	if net.ParseIP(name) == nil && !strings.EqualFold(name, "localhost") && !strings.EqualFold(name, a.host) {
		a.say("421: Host names another server: " + printable(name))
		refuse(w, http.StatusMisdirectedRequest, "ACCESS_DENIED", "Host names another server.")
		return false
	}
	pages := http.NewCrossOriginProtection()
	if a.origin != "" {
		_ = pages.AddTrustedOrigin(a.origin) // the configuration has checked that it is one
	}
	if err := pages.Check(r); err != nil {
		a.say("403: a page of another origin sent it")
		refuse(w, http.StatusForbidden, "ACCESS_DENIED", "A page of another origin sent it.")
		return false
	}
	return true
}

// verdict is what becomes of a request to an API with keys.
type verdict int

const (
	admitted verdict = iota
	noKey
	unknownKey
)

// judge does as API Gateway does: nobody where the authorizer finds no key, and
// nobody known where the key is none of the API's.
func (keys apiKeys) judge(r *http.Request) (caller, verdict) {
	if r.Method == http.MethodPost && slices.Contains(tokenPaths, rawPath(r)) {
		return caller{}, admitted
	}
	key, ok := keyOf(r)
	i := slices.Index(keys, key)
	switch {
	case ok && i >= 0:
		return caller{key, i + 1}, admitted
	case ok:
		return caller{}, unknownKey
	default:
		return caller{}, noKey
	}
}
