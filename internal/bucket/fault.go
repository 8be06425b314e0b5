package bucket

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"omr-relay/internal/awserror"
	"omr-relay/internal/problem"
)

const statusRange = http.StatusRequestedRangeNotSatisfiable

// readFault is what a failed read of an upload means.
func readFault(err error) error {
	switch {
	case missing(err):
		return errNotFound()
	case awserror.Status(err) == http.StatusPreconditionFailed:
		return &problem.Error{Code: problem.UploadChanged,
			Detail: "The upload was written again while it was read. Nothing was submitted."}
	}
	return unavailable(err)
}

// recordFault is unavailable for what knows of earlier requests.
func recordFault(err error) error {
	return because(err, "The bucket cannot be used at present, so that it is not known whether this request came before. Nothing was submitted by this one.")
}

// unavailable is for everything that is not the caller's affair.
func unavailable(err error) error {
	return because(err, "The bucket cannot be used at present. Nothing was submitted.")
}

func because(err error, detail string) error {
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return e
	}
	e := &problem.Error{Code: problem.BucketUnavailable, RetryAfter: 5 * time.Second, Err: awserror.ByCode(err), Detail: detail}
	switch code := awserror.Code(err); {
	case slices.Contains([]string{"AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}, code),
		awserror.Status(err) == http.StatusForbidden:
		e.Reason, e.RetryAfter = "S3 denies access to the bucket", 30*time.Second
	case code == "NoSuchBucket":
		e.Reason, e.RetryAfter = "there is no such bucket", 30*time.Second
	case code == "SlowDown", awserror.Status(err) == http.StatusTooManyRequests:
		e.Reason = "S3 is throttling"
	case errors.Is(err, errNotS3), awserror.Status(err) != 0:
		e.Reason = "S3 failed"
	default:
		e.Reason = "S3 cannot be reached, or broke off"
	}
	return e
}

// missing reports whether there is no such object: it takes the permission to list
// the bucket for S3 to say so. What does not say so may be 404 of a proxy's.
func missing(err error) bool {
	return awserror.Status(err) == http.StatusNotFound && awserror.Code(err) == "NoSuchKey"
}

// lostRace reports whether a conditional write found that another had been there,
// or was under way.
func lostRace(err error) bool {
	return awserror.Status(err) == http.StatusPreconditionFailed || awserror.Status(err) == http.StatusConflict
}
