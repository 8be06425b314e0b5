package awserror_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"omr-relay/internal/awserror"
	"omr-relay/internal/problem"
)

func TestCodeIsOneOrNothing(t *testing.T) {
	for code, want := range map[string]string{
		"SlowDown":               "SlowDown",
		"":                       "",
		"Bearer eyJ.secret":      "",
		"a\nb":                   "",
		strings.Repeat("a", 64):  strings.Repeat("a", 64),
		strings.Repeat("a", 65):  "",
		"https://s3.example/key": "",
	} {
		err := fmt.Errorf("calling: %w", &smithy.GenericAPIError{Code: code, Message: "hunter2"})
		if got := awserror.Code(err); got != want {
			t.Errorf("Code of %q is %q, want %q", code, got, want)
		}
		if text := problem.Describe(awserror.ByCode(err)); strings.Contains(text, "hunter2") || want != "" && text != want {
			t.Errorf("%q is told as %q, want %q", code, text, want)
		}
	}
	if got := awserror.Code(errors.New("SlowDown")); got != "" {
		t.Errorf("what is no answer has the code %q", got)
	}
}

func TestStatusIsTheAnswers(t *testing.T) {
	answered := &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusTooManyRequests}},
		Err:      errors.New("slow down"),
	}
	if got := awserror.Status(fmt.Errorf("calling: %w", answered)); got != http.StatusTooManyRequests {
		t.Errorf("status %d", got)
	}
	if got := awserror.Status(errors.New("no answer")); got != 0 {
		t.Errorf("no answer has the status %d", got)
	}
}

func TestCauseIsStillFound(t *testing.T) {
	cause := &smithy.GenericAPIError{Code: "SlowDown"}
	if !errors.Is(awserror.ByCode(cause), cause) {
		t.Error("the cause is lost")
	}
}
