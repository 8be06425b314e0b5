package gateway

import "strings"

// Caller is who API Gateway says is calling. It is for the log alone, and never
// holds the API key, which the event carries as well.
type Caller struct {
	KeyID     string // the id of the API key
	Principal string // of IAM, of a user pool, or of the authorizer
}

// restCaller finds the caller in a requestContext of payload format 1.0. An
// HTTP API puts a JWT's claims where a REST API puts a user pool's.
func restCaller(requestContext []byte) Caller {
	claims := func(name string) string { return textAt(requestContext, "authorizer", "claims", name) }
	jwt := func(name string) string { return textAt(requestContext, "authorizer", "jwt", "claims", name) }
	return Caller{
		KeyID: named(textAt(requestContext, "identity", "apiKeyId")),
		Principal: named(textAt(requestContext, "identity", "caller"), claims("client_id"), claims("sub"),
			jwt("client_id"), jwt("sub"), textAt(requestContext, "authorizer", "principalId")),
	}
}

// httpCaller is the same for payload format 2.0.
func httpCaller(requestContext []byte) Caller {
	claims := func(name string) string { return textAt(requestContext, "authorizer", "jwt", "claims", name) }
	return Caller{Principal: named(textAt(requestContext, "authorizer", "iam", "callerId"), claims("client_id"), claims("sub"))}
}

// named returns the first that looks like a name; others stay out of the log.
func named(candidates ...string) string {
	for _, c := range candidates {
		if principalName(c) {
			return c
		}
	}
	return ""
}

// principalName takes what IAM allows in the id of a principal with the name of
// its session (AROA…:name), and what user pools give out:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func principalName(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool {
		return !alphanumeric(r) && !strings.ContainsRune(" .:_-@=,+/|", r)
	})
}
