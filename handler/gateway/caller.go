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
func restCaller(identity, authorizer []byte) Caller {
	var keyID, caller, claims, jwt, principal []byte
	_ = pick(identity, member{"apiKeyId", &keyID}, member{"caller", &caller})
	_ = pick(authorizer, member{"claims", &claims}, member{"jwt", &jwt}, member{"principalId", &principal})
	if claims == nil {
		_ = pick(jwt, member{"claims", &claims})
	}
	var client, subject []byte
	_ = pick(claims, member{"client_id", &client}, member{"sub", &subject})
	return Caller{KeyID: named(keyID), Principal: named(caller, client, subject, principal)}
}

// httpCaller is the same for payload format 2.0.
func httpCaller(authorizer []byte) Caller {
	var iam, jwt, claims, caller, client, subject []byte
	_ = pick(authorizer, member{"iam", &iam}, member{"jwt", &jwt})
	_ = pick(iam, member{"callerId", &caller})
	_ = pick(jwt, member{"claims", &claims})
	_ = pick(claims, member{"client_id", &client}, member{"sub", &subject})
	return Caller{Principal: named(caller, client, subject)}
}

// named returns the first raw value that looks like a name; others stay out of the log.
func named(candidates ...[]byte) string {
	for _, raw := range candidates {
		if name := textOf(raw); principalName(name) {
			return name
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
