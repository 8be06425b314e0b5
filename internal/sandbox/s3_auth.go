package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/johannesboyne/gofakes3"
)

const (
	s3Algorithm     = "AWS4-HMAC-SHA256"
	amzDate         = "20060102T150405Z"
	unsignedPayload = "UNSIGNED-PAYLOAD"

	// A request's date may be this far off. Presigned URLs last a week at most.
	maxSkew    = 15 * time.Minute
	maxPresign = 7 * 24 * time.Hour
)

// s3Signature is what a request says about its signature, in the Authorization
// header or in the query.
type s3Signature struct {
	presigned     bool
	credential    string // access key id and scope
	signedHeaders []string
	signature     string
	date, token   string
	payload       string        // its digest, or what stands for one
	expires       time.Duration // of a presigned URL
}

var authorization = regexp.MustCompile(`^` + s3Algorithm + ` Credential=([^,\s]+),\s*SignedHeaders=([a-z0-9;-]+),\s*Signature=([0-9a-f]{64})$`)

// authenticate refuses a request that S3 would not take for one of the owner of
// the credentials, or whose body is not the one that was signed.
func (s *S3) authenticate(r *http.Request, body []byte) *s3Fault {
	query := r.URL.Query()
	header := r.Header.Get("Authorization")
	inQuery := query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature")
	var sig s3Signature
	var fault *s3Fault
	switch {
	case header != "" && inQuery:
		return invalidArgument("Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified", "Authorization", header)
	case header != "":
		sig, fault = headerSignature(r, header)
	case inQuery:
		sig, fault = querySignature(r, query)
	default:
		return accessDenied("Access Denied") // nobody in particular may do anything
	}
	if fault != nil {
		return fault
	}
	signed, fault := s.checkScope(sig.credential, sig.date, sig.token)
	if fault != nil {
		return fault
	}
	if fault := s.checkTime(signed, sig); fault != nil {
		return fault
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(sig.signedHeaders, lower) {
			return accessDenied("There were headers present in the request which were not signed").with("HeadersNotSigned", lower)
		}
	}
	if want := s.sign(r, sig, signed); !hmac.Equal([]byte(want), []byte(sig.signature)) {
		return signatureDoesNotMatch()
	}
	return checkPayload(sig.payload, body)
}

func headerSignature(r *http.Request, header string) (s3Signature, *s3Fault) {
	parts := authorization.FindStringSubmatch(header)
	if parts == nil {
		return s3Signature{}, &s3Fault{
			status: http.StatusBadRequest, code: "AuthorizationHeaderMalformed",
			message: "The authorization header is malformed.",
		}
	}
	sig := s3Signature{
		credential: parts[1], signedHeaders: strings.Split(parts[2], ";"), signature: parts[3],
		date: r.Header.Get("X-Amz-Date"), token: r.Header.Get("X-Amz-Security-Token"), payload: r.Header.Get("X-Amz-Content-Sha256"),
	}
	if sig.payload == "" {
		return sig, &s3Fault{
			status: http.StatusBadRequest, code: "InvalidRequest",
			message: "Missing required header for this request: x-amz-content-sha256",
		}
	}
	return sig, nil
}

func querySignature(r *http.Request, query url.Values) (s3Signature, *s3Fault) {
	invalid := func(message string) (s3Signature, *s3Fault) {
		return s3Signature{}, &s3Fault{status: http.StatusBadRequest, code: "AuthorizationQueryParametersError", message: message}
	}
	for _, name := range []string{"Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"} {
		if len(query["X-Amz-"+name]) != 1 {
			return invalid("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
		}
	}
	if query.Get("X-Amz-Algorithm") != s3Algorithm {
		return invalid(`X-Amz-Algorithm only supports "` + s3Algorithm + `"`)
	}
	seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	if err != nil || seconds < 1 || seconds > int(maxPresign/time.Second) {
		return invalid("X-Amz-Expires must be a number of seconds between 1 and 604800")
	}
	sig := s3Signature{
		presigned: true, credential: query.Get("X-Amz-Credential"), signature: query.Get("X-Amz-Signature"),
		signedHeaders: strings.Split(query.Get("X-Amz-SignedHeaders"), ";"),
		date:          query.Get("X-Amz-Date"), token: query.Get("X-Amz-Security-Token"),
		payload: unsignedPayload, expires: time.Duration(seconds) * time.Second,
	}
	for _, given := range []string{r.Header.Get("X-Amz-Content-Sha256"), query.Get("X-Amz-Content-Sha256")} {
		if given != "" {
			sig.payload = given
		}
	}
	return sig, nil
}

// checkScope judges a credential (access key id, day, region, service), the date
// that goes with it, and the session token. It returns the date.
func (s *S3) checkScope(credential, date, token string) (time.Time, *s3Fault) {
	malformed := func(message string) (time.Time, *s3Fault) {
		return time.Time{}, &s3Fault{status: http.StatusBadRequest, code: "AuthorizationHeaderMalformed", message: "The authorization header is malformed; " + message}
	}
	signed, err := time.Parse(amzDate, date)
	if err != nil {
		return time.Time{}, accessDenied("AWS authentication requires a valid Date or x-amz-date header")
	}
	key, scope, _ := strings.Cut(credential, "/")
	if key != s.Credentials.AccessKeyID || token == "" && s.Credentials.SessionToken != "" {
		return time.Time{}, &s3Fault{
			status: http.StatusForbidden, code: "InvalidAccessKeyId",
			message: "The AWS Access Key Id you provided does not exist in our records.",
		}
	}
	if token != s.Credentials.SessionToken {
		return time.Time{}, &s3Fault{
			status: http.StatusBadRequest, code: "InvalidToken",
			message: "The provided token is malformed or otherwise invalid.",
		}
	}
	if want := s.scope(signed); scope != want {
		return malformed("the credential's scope must be " + want)
	}
	return signed, nil
}

func (s *S3) scope(t time.Time) string {
	return t.Format("20060102") + "/" + s.Region + "/s3/aws4_request"
}

func (s *S3) checkTime(signed time.Time, sig s3Signature) *s3Fault {
	age := s.Now().Sub(signed)
	switch {
	case sig.presigned && age > sig.expires:
		return accessDenied("Request has expired")
	case sig.presigned && age < -maxSkew:
		return accessDenied("Request is not yet valid")
	case !sig.presigned && age.Abs() > maxSkew:
		return &s3Fault{
			status: http.StatusForbidden, code: "RequestTimeTooSkewed",
			message: "The difference between the request time and the current time is too large.",
		}
	}
	return nil
}

// sign returns the signature that a request should have had.
func (s *S3) sign(r *http.Request, sig s3Signature, signed time.Time) string {
	target := *r.URL
	again := &http.Request{Method: r.Method, URL: &target, Host: r.Host, Header: http.Header{}}
	for _, name := range sig.signedHeaders {
		if values := r.Header.Values(name); len(values) > 0 {
			again.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
		if name == "content-length" {
			again.ContentLength = r.ContentLength
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = true // S3 escapes a path once, other services twice
		o.DisableHeaderHoisting = true
		o.DisableSessionToken = true // it is in the request already
	})
	if !sig.presigned {
		if err := signer.SignHTTP(r.Context(), s.Credentials, again, sig.payload, "s3", s.Region, signed); err != nil {
			return ""
		}
		_, signature, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
		return signature
	}
	query := target.Query()
	query.Del("X-Amz-Signature")
	target.RawQuery = query.Encode()
	uri, _, err := signer.PresignHTTP(r.Context(), s.Credentials, again, sig.payload, "s3", s.Region, signed)
	if err != nil {
		return ""
	}
	_, signature, _ := strings.Cut(uri, "X-Amz-Signature=") // it comes last
	return signature
}

// signText returns the signature of an upload's policy.
func (s *S3) signText(text string, signed time.Time) string {
	key := []byte("AWS4" + s.Credentials.SecretAccessKey)
	for part := range strings.SplitSeq(s.scope(signed), "/") {
		key = hmacSHA256(key, part)
	}
	return hex.EncodeToString(hmacSHA256(key, text))
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func signatureDoesNotMatch() *s3Fault {
	return &s3Fault{
		status: http.StatusForbidden, code: "SignatureDoesNotMatch",
		message: "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
	}
}

// checkPayload compares the body with the digest that was signed.
func checkPayload(payload string, body []byte) *s3Fault {
	sum := sha256.Sum256(body)
	switch {
	case payload == unsignedPayload:
		return nil
	case strings.HasPrefix(payload, "STREAMING-"): // its framing would be stored with the data
		return notImplemented("x-amz-content-sha256: " + payload)
	case payload != hex.EncodeToString(sum[:]):
		return &s3Fault{
			status: http.StatusBadRequest, code: "XAmzContentSHA256Mismatch",
			message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
		}
	}
	return nil
}

func invalidArgument(message, name, value string) *s3Fault {
	f := s3FaultOf(gofakes3.ErrInvalidArgument)
	f.message = message
	return f.with("ArgumentName", name).with("ArgumentValue", value)
}
