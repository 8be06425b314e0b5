// Package awserror reads errors of the AWS SDK without the words in them, which are
// those of whoever answered.
package awserror

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"
)

// Code is the error code that AWS answered with, or "" if none came, or what came does
// not look like one: it may be logged.
func Code(err error) string {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || len(api.ErrorCode()) > 64 || strings.ContainsFunc(api.ErrorCode(), notLetter) {
		return ""
	}
	return api.ErrorCode()
}

func notLetter(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }

// Status is the HTTP status of the answer that err is made of, or 0 if none came.
func Status(err error) int {
	answer, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err)
	if !ok {
		return 0
	}
	return answer.HTTPStatusCode()
}

// ByCode returns err with its code as its text, which may be logged, or err as it is
// where it has none.
func ByCode(err error) error {
	if Code(err) == "" {
		return err
	}
	return &byCode{err}
}

type byCode struct{ err error }

func (e *byCode) Error() string { return Code(e.err) }
func (e *byCode) Unwrap() error { return e.err }

// SafeText implements problem.Safe.
func (e *byCode) SafeText() string { return Code(e.err) }
