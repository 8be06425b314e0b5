package secrets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"omr-relay/internal/awserror"
	"omr-relay/internal/problem"
)

// Kind is a reason why there are no credentials. Each Kind is an error, so
// that errors.Is(err, secrets.AccessDenied) asks for one.
type Kind string

// The kinds. Unavailable and Throttled pass by themselves; the others need an
// operator.
const (
	Malformed        Kind = "the secret is not a JSON object with client_id and client_secret as strings"
	MissingKey       Kind = "the secret lacks a key"
	EmptyKey         Kind = "the secret has an empty value"
	Binary           Kind = "the secret is binary; store it as a SecretString"
	NoCredentials    Kind = "no AWS credentials were found: log in to a profile, set AWS_PROFILE or AWS_ACCESS_KEY_ID, or run where there is a role"
	AccessDenied     Kind = "access to the secret is denied: the role needs secretsmanager:GetSecretValue on it"
	KeyDenied        Kind = "access to the secret's KMS key is denied: the role needs kms:Decrypt on it"
	NotFound         Kind = "the secret, or its current version, does not exist"
	Deleted          Kind = "the secret is scheduled for deletion: restore it, or name another"
	DecryptionFailed Kind = "the secret cannot be decrypted with its KMS key"
	Refused          Kind = "Secrets Manager refused the request"
	Throttled        Kind = "Secrets Manager is throttling"
	Unavailable      Kind = "Secrets Manager cannot be reached or failed"
)

// Error implements error.
func (k Kind) Error() string { return string(k) }

// Error is why the credentials could not be read. Its text is safe to log.
type Error struct {
	Kind Kind
	// Key is the key of the secret at fault, where it is one.
	Key string
	// APICode is the error code that Secrets Manager gave, if it did.
	APICode string
	// Err is the SDK's error. Its text is never shown: the service's words
	// are not ours to vouch for.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	parts := []string{"reading the secret: " + string(e.Kind)}
	if e.Key != "" {
		parts = append(parts, e.Key)
	}
	if e.APICode != "" {
		parts = append(parts, e.APICode)
	} else if e.Err != nil && e.Kind != NoCredentials {
		parts = append(parts, problem.Describe(e.Err))
	}
	return strings.Join(parts, ": ")
}

// SafeText implements [problem.Safe].
func (e *Error) SafeText() string { return e.Error() }

// Format implements [fmt.Formatter]: no verb reaches into Err, where the SDK
// keeps what it could not read.
func (e *Error) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.Error()) }

// MarshalText implements [encoding.TextMarshaler]: nor does encoding/json.
func (e *Error) MarshalText() ([]byte, error) { return []byte(e.Error()), nil }

// Is makes errors.Is(err, kind) true for the error's Kind.
func (e *Error) Is(target error) bool { return target == error(e.Kind) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Outage reports whether the failure is the store's and not the secret's: the
// last good credentials may serve through it.
func (e *Error) Outage() bool {
	return e.Kind == Unavailable || e.Kind == Throttled || e.Kind == NoCredentials
}

// NoCredentialsError is why a request could not be signed. Whoever configures the
// SDK's client puts it around what the chain of credential providers says, whose
// errors have no type of their own.
type NoCredentialsError struct{ Err error }

// Error implements error in constant words.
func (e *NoCredentialsError) Error() string { return "no AWS credentials" }

// SafeText implements [problem.Safe].
func (e *NoCredentialsError) SafeText() string { return e.Error() }

// Unwrap returns the chain's own error.
func (e *NoCredentialsError) Unwrap() error { return e.Err }

// classify turns an error of the SDK client into an Error.
func classify(err error) *Error {
	e := &Error{Kind: Unavailable, Err: err}
	if is[*NoCredentialsError](err) {
		e.Kind = NoCredentials
		return e
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return e
	}
	code, status := awserror.Code(err), awserror.Status(err)
	e.APICode = code
	switch {
	case is[*types.ResourceNotFoundException](err):
		e.Kind = NotFound
	case is[*types.DecryptionFailure](err):
		e.Kind = DecryptionFailed
	case is[*types.InternalServiceError](err):
		e.Kind = Unavailable
	case accessCodes[code] && api.ErrorMessage() == kmsDenied:
		e.Kind = KeyDenied
	case accessCodes[code]:
		e.Kind = AccessDenied
	case is[*types.InvalidRequestException](err) && deletedMessages[api.ErrorMessage()]:
		e.Kind = Deleted
	case throttleCodes[code]:
		e.Kind = Throttled
	case status == tooManyRequests:
		e.Kind = Throttled
	case status != 0 && status < badRequest:
		// A redirect is somebody else's answer: the service gives none.
	case api.ErrorFault() != smithy.FaultServer && !serverFailed(err):
		e.Kind = Refused
	}
	return e
}

// What tells some failures apart is the service's text alone. It is compared with
// these, and never shown.
const kmsDenied = "Access to KMS is not allowed"

var deletedMessages = map[string]bool{
	"You can't perform this operation on the secret because it was marked for deletion.": true,
	// moto's own words
	"You tried to perform the operation on a secret that's currently marked deleted.": true,
	"An error occurred (InvalidRequestException) when calling the GetSecretValue operation: " +
		"You tried to perform the operation on a secret that's currently marked deleted.": true,
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// The codes that the service gives without a type of their own in the SDK:
// AWS's common errors.
var (
	accessCodes = map[string]bool{
		"AccessDeniedException": true, "AccessDenied": true, "UnrecognizedClientException": true,
		"InvalidClientTokenId": true, "InvalidSignatureException": true, "ExpiredTokenException": true,
		"MissingAuthenticationToken": true, "MissingAuthenticationTokenException": true,
		"IncompleteSignature": true, "NotAuthorized": true, "OptInRequired": true,
	}
	throttleCodes = map[string]bool{
		"ThrottlingException": true, "Throttling": true, "TooManyRequestsException": true,
		"RequestLimitExceeded": true, "RequestThrottled": true, "RequestThrottledException": true,
		"SlowDown": true, "LimitExceededException": true,
	}
)

// serverFailed looks at the HTTP status, for answers whose body names no error
// that the SDK knows (a proxy's 502, say).
func serverFailed(err error) bool {
	return awserror.Status(err) >= 500 || errors.Is(err, context.DeadlineExceeded)
}

// The HTTP statuses that tell something; this package is not built on net/http.
const (
	badRequest      = 400
	tooManyRequests = 429
)
