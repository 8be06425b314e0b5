package fleet

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// lifetime is what the service gives its tokens.
	lifetime = time.Hour
	// The ban, as the service documents it: after so many answers of 400 every request
	// with that pair is answered 429, for so long. It counts by the pair, whichever
	// environment asks (https://docs.aspose.cloud/total/rate-limits/).
	deniedBeforeBan = 5
	banFor          = 10 * time.Minute
)

// failing is how the token endpoint fails.
type failing int

const (
	working failing = iota
	answering503
	answering503After // with a Retry-After of 20 s
	answering403
	answeringNonsense
	resetting
	hanging
	denying // every pair, with 400
)

// service is the token endpoint, and what the upstream knows of its tokens.
type service struct {
	mu      sync.Mutex // guards what follows
	how     failing
	pairs   map[string]*account // by id and secret, joined by a colon
	tokens  map[string]issued
	created int
	minted  int

	// boasts is added to what expires_in says, to see it found out.
	boasts time.Duration
}

// account is what counts for or against a pair.
type account struct {
	number  int
	good    bool
	denials int
	banned  time.Time // until then
	revoked time.Time // its tokens from before then
}

type issued struct {
	pair *account
	at   time.Time
}

func newService() *service {
	return &service{pairs: map[string]*account{}, tokens: map[string]issued{}}
}

// create makes a new pair.
func (s *service) create() (pair string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created++
	pair = fmt.Sprintf("client-%d:key-%d", s.created, s.created)
	s.pairs[pair] = &account{number: s.created, good: true}
	return pair
}

// end has a pair denied from now on, and its tokens too if they are revoked.
func (s *service) end(pair string, revoked bool) {
	s.mu.Lock()
	s.pairs[pair].good = false
	s.mu.Unlock()
	if revoked {
		s.revoke(pair)
	}
}

// revoke ends the tokens of the pair and of those before it.
func (s *service) revoke(pair string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, account := range s.pairs {
		if account.number <= s.pairs[pair].number {
			account.revoked = time.Now()
		}
	}
}

// fail has the endpoint fail from now on.
func (s *service) fail(how failing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.how = how
}

func (s *service) failing() failing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.how
}

// reply is an answer of the token endpoint.
type reply struct {
	status     int
	retryAfter time.Duration
	body       string
}

// exchange answers a token request.
func (s *service) exchange(pair string) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch s.how {
	case answering503:
		return reply{status: http.StatusServiceUnavailable}
	case answering503After:
		return reply{status: http.StatusServiceUnavailable, retryAfter: 20 * time.Second}
	case answering403:
		return reply{status: http.StatusForbidden}
	case answeringNonsense:
		return reply{status: http.StatusOK, body: "<html>"}
	}
	account := s.pairs[pair]
	if left := account.banned.Sub(now); left > 0 {
		return reply{status: http.StatusTooManyRequests, retryAfter: left}
	}
	if account.denials >= deniedBeforeBan {
		account.denials = 0 // it has served its time
	}
	if !account.good || s.how == denying {
		if account.denials++; account.denials >= deniedBeforeBan {
			account.banned = now.Add(banFor)
		}
		return reply{status: http.StatusBadRequest, body: `{"error":"invalid_client"}`}
	}
	s.minted++
	token := fmt.Sprintf("token-number-%012d", s.minted)
	s.tokens[token] = issued{pair: account, at: now}
	return reply{status: http.StatusOK, body: `{"access_token":"` + token + `","token_type":"Bearer","expires_in":` +
		strconv.Itoa(int((lifetime+s.boasts)/time.Second)) + `}`}
}

// expired reports whether a token's time is over; accepts, whether the upstream takes
// it.
func (s *service) expired(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, known := s.tokens[token]
	return !known || time.Since(t.at) >= lifetime
}

func (s *service) accepts(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, known := s.tokens[token]
	return known && time.Since(t.at) < lifetime && t.at.After(t.pair.revoked)
}
