package httpanswer

import (
	"net/http"
	"strconv"
	"time"
)

// longestWait bounds seconds: a Duration does not hold every number of them.
const longestWait = 24 * time.Hour

// RetryAfter reads the field of that name (RFC 9110 §10.2.3), seconds or a date: how
// long it asks to wait from now on, a day of seconds at most; 0 if it asks nothing,
// or for a number that is beyond all use.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if n, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(n, 0), int(longestWait/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
