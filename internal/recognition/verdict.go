package recognition

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// verdict is what a call's end means for the calls after it.
type verdict struct {
	kind kind
	why  string
	wait time.Duration // of later; 0 is not known
}

type kind int

const (
	good    kind = iota
	refused      // this document, and not received
	later        // not received; the same call may go well later
	unknown      // it may have been received
	fatal        // no call will go well before a person has mended something
)

var passed = verdict{kind: good}

// verdictOf judges a call that failed. before says that another went well: then a
// service that cannot be reached is one that was.
func verdictOf(err error, before bool) verdict {
	f, ok := errors.AsType[*omr.Failure](err)
	if !ok {
		return verdict{kind: fatal, why: problem.Describe(err)}
	}
	if f.Refusal != nil {
		return ofRefusal(f.Refusal, before)
	}
	if e, ok := errors.AsType[*problem.Error](f.Err); ok {
		return ofCode(e.Code, e.Error(), e.RetryAfter, f.MayHaveArrived)
	}
	why := problem.Describe(f.Err)
	switch {
	case f.MayHaveArrived:
		return verdict{kind: unknown, why: why}
	case before:
		return verdict{kind: later, why: "the service cannot be reached (" + why + ")"}
	default:
		return verdict{kind: fatal, why: "the service cannot be reached: " + why}
	}
}

// verdictOfPreparing judges what failed before anything was submitted.
func verdictOfPreparing(err error) verdict {
	v := verdictOf(err, true)
	if v.kind == unknown {
		v.kind = later
	}
	return v
}

// document is a relay's problem, an upstream's, or API Gateway's message.
type document struct {
	Type, Title, Detail, Message string
	Code                         problem.Code
	Errors                       map[string][]string
}

// ofRefusal judges an answer that is no success.
func ofRefusal(r *omr.Refusal, before bool) verdict {
	var said document
	_ = json.Unmarshal(r.Body, &said) // what does not decode says nothing
	if said.Code != "" {
		// "The call was not sent." is the relay's own and constant.
		sent := !strings.HasSuffix(said.Detail, "The call was not sent.")
		if v := ofCode(said.Code, words(said.Detail, said.Title), r.RetryAfter, sent); v.kind != refused || r.Status < 500 {
			return v
		}
	}
	answered := fmt.Sprintf("it answers %d", r.Status)
	switch status := r.Status; {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return verdict{kind: fatal, why: fmt.Sprintf("the key is not taken (%d): is it right, and is it this relay's?", status)}
	case status == http.StatusPaymentRequired:
		return verdict{kind: fatal, why: answered + ": Aspose asks for payment"}
	case status == http.StatusTooManyRequests && strings.HasPrefix(said.Message, "Limit Exceeded"):
		return verdict{kind: fatal, why: "the key's quota is used up"}
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout,
		status == http.StatusServiceUnavailable && r.RetryAfter > 0: // it wants the call later, so it has not taken it
		return verdict{kind: later, why: answered, wait: r.RetryAfter}
	case status >= 500:
		return verdict{kind: unknown, why: answered}
	case !before && (status < 400 || status == http.StatusNotFound || status == http.StatusMethodNotAllowed):
		return verdict{kind: fatal, why: answered + ": is the URL a relay's?"}
	default:
		return verdict{kind: refused, why: fmt.Sprintf("refused with %d%s", status, because(said))}
	}
}

// ofCode judges a failure that the relay names.
func ofCode(code problem.Code, why string, wait time.Duration, sent bool) verdict {
	switch code {
	case problem.CredentialsUnavailable, problem.TokenUnavailable:
		return verdict{kind: later, why: "the relay gets no token: " + why, wait: max(wait, time.Second)}
	case problem.BucketUnavailable:
		return verdict{kind: later, why: "the bucket cannot be used: " + why, wait: wait}
	case problem.SubmissionUnknown, problem.RequestInProgress:
		return verdict{kind: unknown, why: why}
	case problem.UpstreamRejectedToken:
		return verdict{kind: fatal, why: "Aspose rejects the relay's token: may its application use OMR?"}
	case problem.RouteNotFound, problem.MethodNotAllowed:
		return verdict{kind: fatal, why: "the relay has no such route: is the URL right?"}
	case problem.UpstreamUnreachable, problem.UpstreamTimeout:
		if !sent {
			return verdict{kind: later, why: "the relay cannot reach Aspose"}
		}
		return verdict{kind: unknown, why: why}
	case problem.ResponseTooLarge, problem.UpstreamEchoedToken, problem.UpstreamInvalidAnswer, problem.Internal:
		return verdict{kind: unknown, why: why}
	default:
		return verdict{kind: refused, why: words(why, string(code))}
	}
}

// because is what a refusal says of the document, fit to be read.
func because(said document) string {
	texts := []string{said.Detail, said.Message}
	for _, field := range slices.Sorted(maps.Keys(said.Errors)) {
		texts = append(texts, said.Errors[field]...)
	}
	if text := words(append(texts, said.Title)...); text != "" {
		return ": " + text
	}
	return ""
}

// words is the first text that says anything, short and printable.
func words(texts ...string) string {
	const enough = 200
	for _, text := range texts {
		text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
		if len(text) > enough {
			text = strings.ToValidUTF8(text[:enough], "") + "…"
		}
		if text != "" {
			return text
		}
	}
	return ""
}
