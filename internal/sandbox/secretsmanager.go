package sandbox

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	region  = "us-east-1"
	account = "123456789012"

	amzJSON = "application/x-amz-json-1.1"

	// The service's own cap on a secret is 64 KiB; no GetSecretValue comes near.
	maxSecretsRequest = 64 << 10

	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

// SecretsManager stands in for AWS Secrets Manager, GetSecretValue alone, in
// the AWS JSON 1.1 protocol. It wants a well-formed Signature Version 4 but
// does not verify it, so any access key will do.
type SecretsManager struct {
	Tap

	// Now dates new versions; nil means time.Now.
	Now func() time.Time

	mu      sync.Mutex // guards what follows
	secrets map[string]*secret
	fault   Fault
	faults  int // reads left to fail; negative: all
	reads   int
}

type secret struct {
	name, arn string
	versions  []*version // oldest first
}

type version struct {
	id      string
	created time.Time
	stages  []string
	text    *string
	binary  []byte
}

// Fault is an error answer of the service.
type Fault struct {
	Status  int // HTTP
	Type    string
	Message string
}

// Faults that a reader of secrets meets in practice.
var (
	AccessDenied = Fault{http.StatusBadRequest, "AccessDeniedException", "User: arn:aws:sts::" + account +
		":assumed-role/sandbox is not authorized to perform: secretsmanager:GetSecretValue"}
	KeyDenied           = Fault{http.StatusBadRequest, "AccessDeniedException", "Access to KMS is not allowed"}
	Throttled           = Fault{http.StatusBadRequest, "ThrottlingException", "Rate exceeded"}
	DecryptionFailed    = Fault{http.StatusBadRequest, "DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key."}
	MarkedForDeletion   = Fault{http.StatusBadRequest, "InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion."}
	SecretNotFound      = Fault{http.StatusBadRequest, "ResourceNotFoundException", "Secrets Manager can't find the specified secret."}
	SecretsServiceError = Fault{http.StatusInternalServerError, "InternalServiceError", "An error occurred on the server side."}
)

// Put stores a text secret as a new version: it becomes AWSCURRENT, the version
// that was becomes AWSPREVIOUS, and older ones lose their labels.
func (m *SecretsManager) Put(name, secretString string) (versionID string) {
	return m.put(name, &version{text: &secretString})
}

// PutBinary is [SecretsManager.Put] for a binary secret.
func (m *SecretsManager) PutBinary(name string, secretBinary []byte) (versionID string) {
	return m.put(name, &version{binary: slices.Clone(secretBinary)})
}

func (m *SecretsManager) put(name string, v *version) string {
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	v.id, v.created, v.stages = newGUID(), now(), []string{current}

	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.secrets[name]
	if s == nil {
		s = &secret{name: name, arn: secretARN(name)}
		if m.secrets == nil {
			m.secrets = map[string]*secret{}
		}
		m.secrets[name] = s
	}
	for _, old := range s.versions {
		if slices.Contains(old.stages, current) {
			old.stages = []string{previous}
		} else {
			old.stages = nil
		}
	}
	s.versions = append(s.versions, v)
	return v.id
}

// ARN returns the ARN that the secret of this name has or would have.
func (m *SecretsManager) ARN(name string) string { return secretARN(name) }

// secretARN derives the six characters that the service appends at random from
// the name, so that an ARN is the same in every run.
func secretARN(name string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	sum := sha256.Sum256([]byte(name))
	suffix := make([]byte, 6)
	for i := range suffix {
		suffix[i] = alphabet[int(sum[i])%len(alphabet)]
	}
	return fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s-%s", region, account, name, suffix)
}

// Fail answers the next n well-formed reads with f, all of them if n is
// negative, and none if it is 0.
func (m *SecretsManager) Fail(f Fault, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault, m.faults = f, n
}

// Reads returns how many well-formed GetSecretValue calls came, failed ones and
// the SDK's own retries included.
func (m *SecretsManager) Reads() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads
}

// ServeHTTP implements [http.Handler].
func (m *SecretsManager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, body, err := m.receive(w, r, maxSecretsRequest)
	w.Header().Set("X-Amzn-RequestId", newGUID())
	if m.takenOver(w, r) {
		return
	}
	if err != nil {
		writeFault(w, Fault{http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "The request is too large."})
		return
	}
	if fault, ok := refuse(r); ok {
		writeFault(w, fault)
		return
	}
	var in getSecretValueInput
	if err := json.Unmarshal(body, &in); err != nil {
		writeFault(w, Fault{http.StatusBadRequest, "SerializationException", "The request body is not a JSON object of the expected shape."})
		return
	}
	out, fault, ok := m.get(in)
	if !ok {
		writeFault(w, fault)
		return
	}
	writeJSON(w, http.StatusOK, amzJSON, out)
}

type getSecretValueInput struct{ SecretId, VersionId, VersionStage string } //nolint:revive // the service's spelling

type getSecretValueOutput struct {
	ARN, Name     string
	VersionId     string   //nolint:revive // the service's spelling
	SecretString  *string  `json:",omitempty"`
	SecretBinary  []byte   `json:",omitempty"`
	VersionStages []string `json:",omitempty"`
	CreatedDate   float64  // seconds since the epoch, to the millisecond
}

func (m *SecretsManager) get(in getSecretValueInput) (getSecretValueOutput, Fault, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.faults != 0 {
		if m.faults > 0 {
			m.faults--
		}
		return getSecretValueOutput{}, m.fault, false
	}
	s, v, fault, ok := m.find(in)
	if !ok {
		return getSecretValueOutput{}, fault, false
	}
	return getSecretValueOutput{
		ARN: s.arn, Name: s.name, VersionId: v.id,
		SecretString: v.text, SecretBinary: v.binary,
		VersionStages: slices.Clone(v.stages),
		CreatedDate:   float64(v.created.UnixMilli()) / 1000,
	}, Fault{}, true
}

// find runs under m.mu.
func (m *SecretsManager) find(in getSecretValueInput) (*secret, *version, Fault, bool) {
	if in.SecretId == "" {
		return nil, nil, Fault{http.StatusBadRequest, "InvalidParameterException", "You must provide a SecretId."}, false
	}
	s := m.secrets[in.SecretId]
	for _, other := range m.secrets {
		if other.arn == in.SecretId {
			s = other
		}
	}
	if s == nil {
		return nil, nil, SecretNotFound, false
	}
	if in.VersionId == "" && in.VersionStage == "" {
		in.VersionStage = current
	}
	for _, v := range s.versions {
		staged := slices.Contains(v.stages, in.VersionStage)
		switch {
		case in.VersionId == "" && staged, in.VersionId == v.id && (staged || in.VersionStage == ""):
			return s, v, Fault{}, true
		case in.VersionId == v.id:
			return nil, nil, Fault{http.StatusBadRequest, "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId."}, false
		}
	}
	wanted := "staging label: " + in.VersionStage
	if in.VersionId != "" {
		wanted = "VersionId: " + in.VersionId
	}
	return nil, nil, Fault{http.StatusBadRequest, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for " + wanted}, false
}

var sigV4 = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/,\s]+/\d{8}/[a-z0-9-]+/([a-z0-9-]+)/aws4_request,\s*` +
	`SignedHeaders=([a-z0-9;-]+),\s*Signature=[0-9a-f]{64}$`)

// refuse judges everything about a request but its body, in the service's own
// order: the operation, then the signature.
func refuse(r *http.Request) (Fault, bool) {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || r.URL.Path != "/" || mediaType != amzJSON ||
		r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
		return Fault{http.StatusNotFound, "UnknownOperationException", "The operation is not known."}, true
	}
	auth := r.Header.Get("Authorization")
	if auth == "" {
		return Fault{http.StatusBadRequest, "MissingAuthenticationTokenException", "Missing Authentication Token"}, true
	}
	parts := sigV4.FindStringSubmatch(auth)
	if parts == nil || r.Header.Get("X-Amz-Date") == "" {
		return Fault{http.StatusBadRequest, "IncompleteSignatureException", "The Authorization header is not a complete AWS Signature Version 4."}, true
	}
	signed := strings.Split(parts[2], ";")
	if parts[1] != "secretsmanager" || !slices.Contains(signed, "host") || !slices.Contains(signed, "x-amz-date") {
		return Fault{http.StatusBadRequest, "InvalidSignatureException", "The signature does not cover this request."}, true
	}
	return Fault{}, false
}

func writeFault(w http.ResponseWriter, f Fault) {
	writeJSON(w, f.Status, amzJSON, map[string]string{"__type": f.Type, "Message": f.Message})
}
