// Package problem is what a failure looks like inside the relay: a public code,
// an honest time to come back, and a private cause that is safe to log.
// Only the edge (package handler) turns a fault into a problem document.
package problem

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Code names a failure to the caller. The set is part of the relay's contract;
// handler has the table of their statuses.
type Code string

// The failures that the relay itself answers.
const (
	RouteNotFound          Code = "route_not_found"
	MethodNotAllowed       Code = "method_not_allowed"
	BadRequest             Code = "bad_request"
	UnsupportedMediaType   Code = "unsupported_media_type"
	PayloadTooLarge        Code = "payload_too_large"
	CredentialsUnavailable Code = "credentials_unavailable"
	TokenUnavailable       Code = "token_unavailable"
	UpstreamUnreachable    Code = "upstream_unreachable"
	UpstreamRejectedToken  Code = "upstream_rejected_token"
	UpstreamEchoedToken    Code = "upstream_echoed_token"
	UpstreamInvalidAnswer  Code = "upstream_invalid_answer"
	UpstreamTimeout        Code = "upstream_timeout"
	ResponseTooLarge       Code = "response_too_large"
	Internal               Code = "internal_error"

	// InvalidInput names the field at fault.
	InvalidInput Code = "invalid_input"
	// NotAcceptable is a request that could not take its answer.
	NotAcceptable Code = "not_acceptable"
	// RecognitionFailed is a task that the upstream gave up: sending the scan
	// again would cost again.
	RecognitionFailed Code = "recognition_failed"
	// RecognitionEmpty is a task that is done, and nothing was found.
	RecognitionEmpty Code = "recognition_empty"
	// GenerationFailed is a form that the upstream could not make.
	GenerationFailed Code = "generation_failed"
	// ResultLost is a result that the upstream no longer has.
	ResultLost Code = "result_lost"
	// TaskNotFound is an id that the upstream does not know, or not any more.
	TaskNotFound Code = "task_not_found"

	// UploadNotFound is an upload that is not there, or not this caller's.
	UploadNotFound Code = "upload_not_found"
	// UploadChanged is an upload that was written again while it was read.
	UploadChanged Code = "upload_changed"
	// BucketUnavailable is a bucket that cannot be read or written.
	BucketUnavailable Code = "bucket_unavailable"
	// BatchesUnavailable is a state machine that cannot be used.
	BatchesUnavailable Code = "batches_unavailable"
	// BatchRunning is another batch, while which there can be none.
	BatchRunning Code = "batch_running"
	// BatchNotFound is a batch that is not there, or not this caller's.
	BatchNotFound Code = "batch_not_found"
	// IdempotencyKeyReused is a key that came before, with another request.
	IdempotencyKeyReused Code = "idempotency_key_reused"
	// RequestInProgress is a request that is being submitted by another invocation.
	RequestInProgress Code = "request_in_progress"
	// SubmissionUnknown is a request that may have been received by the upstream,
	// and paid for, under an id that nobody knows.
	SubmissionUnknown Code = "submission_unknown"

	// AnswerNotTaken is for the log alone: nobody is left to be told.
	AnswerNotTaken Code = "answer_not_taken"
)

// Error is a failure with a Code.
type Error struct {
	Code Code
	// Detail is shown to the caller: constant text, never anything received.
	Detail string
	// Reason says in a few words what happened, for the log alone. It is
	// made of constant text, numbers and names from the configuration.
	Reason string
	// RetryAfter is when a further call is worth making; 0 means not known.
	RetryAfter time.Duration
	// Allow lists the methods of a route, for MethodNotAllowed.
	Allow []string
	// Field is what of the input is at fault, by a name that is ours, for
	// InvalidInput.
	Field string
	// Messages are the upstream's own about the caller's documents, shown to the
	// caller and never logged.
	Messages []string
	// Task is what is known to have been submitted, for SubmissionUnknown.
	Task string
	// Header is sent with the answer; its values are constant or were checked.
	Header http.Header
	// AcceptEncoding lists the content codings that a request may have, for
	// UnsupportedMediaType (RFC 9110 §15.5.16).
	AcceptEncoding string
	// Err is the cause, for errors.Is and errors.As. Its text is never
	// shown: it may quote what the other side sent.
	Err error
}

// Error implements error with text that is safe to log.
func (e *Error) Error() string {
	parts := []string{string(e.Code)}
	switch {
	case e.Reason != "":
		parts = append(parts, e.Reason)
	case e.Err == nil && e.Detail != "":
		parts = append(parts, e.Detail)
	}
	if e.Err != nil {
		parts = append(parts, Describe(e.Err))
	}
	return strings.Join(parts, ": ")
}

// Format implements [fmt.Formatter]: no verb reaches into Err.
func (e *Error) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.Error()) }

// MarshalText implements [encoding.TextMarshaler]: nor does encoding/json.
func (e *Error) MarshalText() ([]byte, error) { return []byte(e.Error()), nil }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// From returns the Error in err's chain, or an Internal one around err.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: Internal, Err: err}
}
