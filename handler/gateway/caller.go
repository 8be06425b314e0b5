package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Caller is who API Gateway says is calling. It never holds the API key, which the
// event carries as well.
type Caller struct {
	KeyID     string // the id of the API key, for the log
	Principal string // of IAM, of a user pool, or of the authorizer, for the log

	identity string // what tells this caller from others, and lasts
}

// Digest stands for the caller in names of what is the caller's own: 32 hexadecimal
// digits, the same for each of its calls. It is made of the API key's id, the user
// pool client's, or the ARN of the IAM role or user, the role's session left out;
// else of a token's issuer and subject, or of the authorizer's principal. Callers of
// whom nothing is known are one.
func (c Caller) Digest() string {
	digest := sha256.Sum256([]byte(c.identity))
	return hex.EncodeToString(digest[:16])
}

// restCaller finds the caller in a requestContext of payload format 1.0. An
// HTTP API puts a JWT's claims where a REST API puts a user pool's.
func restCaller(identity, authorizer []byte) Caller {
	var keyID, caller, arn, claims, jwt, principal []byte
	_ = pick(identity, member{"apiKeyId", &keyID}, member{"caller", &caller}, member{"userArn", &arn})
	_ = pick(authorizer, member{"claims", &claims}, member{"jwt", &jwt}, member{"principalId", &principal})
	if claims == nil {
		_ = pick(jwt, member{"claims", &claims})
	}
	var client, issuer, subject []byte
	_ = pick(claims, member{"client_id", &client}, member{"iss", &issuer}, member{"sub", &subject})
	known := principal
	if textOf(principal) == ownPrincipal {
		known = nil // of every key: without the key's id it tells nothing
	}
	return Caller{
		KeyID: named(keyID), Principal: named(caller, client, subject, principal),
		identity: identityOf(keyID, client, arn, issuer, subject, known),
	}
}

// httpCaller is the same for payload format 2.0.
func httpCaller(authorizer []byte) Caller {
	var iam, jwt, claims, caller, arn, client, issuer, subject []byte
	_ = pick(authorizer, member{"iam", &iam}, member{"jwt", &jwt})
	_ = pick(iam, member{"callerId", &caller}, member{"userArn", &arn})
	_ = pick(jwt, member{"claims", &claims})
	_ = pick(claims, member{"client_id", &client}, member{"iss", &issuer}, member{"sub", &subject})
	return Caller{Principal: named(caller, client, subject), identity: identityOf(nil, client, arn, issuer, subject, nil)}
}

// ownPrincipal is what the project's own authorizer calls whoever has a key.
const ownPrincipal = "api-key"

// identityOf names the first that there is, and of which kind it is: an id of one
// kind may read like one of another.
func identityOf(keyID, client, arn, issuer, subject, principal []byte) string {
	person := ""
	if sub := textOf(subject); sub != "" {
		person = textOf(issuer) + " " + sub
	}
	for _, known := range []struct{ kind, id string }{
		{"api-key", textOf(keyID)}, {"client", textOf(client)}, {"arn", withoutSession(textOf(arn))}, {"subject", person}, {"principal", textOf(principal)},
	} {
		if known.id != "" {
			return known.kind + " " + known.id
		}
	}
	return ""
}

// withoutSession leaves off what each assumption of a role has of its own:
// arn:aws:sts::111122223333:assumed-role/role/session.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
func withoutSession(arn string) string {
	if head, rest, ok := strings.Cut(arn, ":assumed-role/"); ok {
		role, _, _ := strings.Cut(rest, "/")
		return head + ":assumed-role/" + role
	}
	return arn
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
