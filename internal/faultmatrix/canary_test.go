package faultmatrix

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// The secrets of every test in this package. They are characters that a form,
// a URL or JSON would escape among others that none would.
var (
	clientID     = "id+" + random(20) + "&/=%" + random(20)
	clientSecret = `s"\` + random(20) + "+%&<é>" + random(20)
	accessToken  = random(64) // a serial number follows
	awsSecretKey = random(40)
	awsSession   = random(60)
	image        = []byte(random(30) + "\x00\xff\xfe\"\\" + random(30))
	result       = random(60) // the upstream's: the caller's to see, not the log's

	canaries = newFinder(map[string][]byte{
		"the client id": []byte(clientID), "the client secret": []byte(clientSecret), "an access token": []byte(accessToken),
		"the AWS secret key": []byte(awsSecretKey), "the AWS session token": []byte(awsSession),
		"the image": image, "the image as it is sent": []byte(encodedImage()),
	})
	results    = newFinder(map[string][]byte{"a result": []byte(result)})
	awsSecrets = newFinder(map[string][]byte{"the AWS secret key": []byte(awsSecretKey)})
)

func encodedImage() string { return base64.StdEncoding.EncodeToString(image) }

func random(n int) string {
	return (rand.Text() + rand.Text() + rand.Text())[:n]
}

// shown is how many bytes of a secret in a row count as showing it.
const shown = 12

// finder looks for pieces of secrets in any of their usual spellings.
type finder struct {
	needles map[string]string // spelling → whose it is
	lengths []int
}

func newFinder(secrets map[string][]byte) *finder {
	f := &finder{needles: map[string]string{}}
	for name, secret := range secrets {
		for i := range len(secret) - shown + 1 {
			for how, spelling := range spellings(secret[i : i+shown]) {
				f.needles[spelling] = name + ", " + how
			}
		}
	}
	for needle := range f.needles {
		if !slices.Contains(f.lengths, len(needle)) {
			f.lengths = append(f.lengths, len(needle))
		}
	}
	return f
}

// spellings are the ways in which a piece may be written. The piece is a
// multiple of three bytes, so that base64 of a whole holds that of its pieces.
func spellings(piece []byte) map[string]string {
	inJSON, _ := json.Marshal(string(piece))
	var percent, unicode strings.Builder
	for _, b := range piece {
		fmt.Fprintf(&percent, "%%%02X", b)
	}
	for _, r := range string(piece) {
		fmt.Fprintf(&unicode, `\u%04x`, r)
	}
	quotedByGo := fmt.Sprintf("%q", piece)
	return map[string]string{
		"as it is":             string(piece),
		"in base64":            base64.StdEncoding.EncodeToString(piece),
		"in URL base64":        base64.URLEncoding.EncodeToString(piece),
		"in hex":               hex.EncodeToString(piece),
		"in capital hex":       strings.ToUpper(hex.EncodeToString(piece)),
		"in a form":            url.QueryEscape(string(piece)),
		"in a path":            url.PathEscape(string(piece)),
		"percent-encoded":      percent.String(),
		"in JSON":              string(inJSON[1 : len(inJSON)-1]),
		"in JSON, all escaped": unicode.String(),
		"in Go's quotes":       quotedByGo[1 : len(quotedByGo)-1],
		"as numbers":           strings.Trim(fmt.Sprint(piece), "[]"),
	}
}

// find names the first secret that text shows, if any.
func (f *finder) find(text []byte) string {
	for _, n := range f.lengths {
		for i := 0; i+n <= len(text); i++ {
			if name, ok := f.needles[string(text[i:i+n])]; ok {
				return name
			}
		}
	}
	return ""
}

// TestCanariesAreFound makes sure that the search could fail.
func TestCanariesAreFound(t *testing.T) {
	for name, secret := range map[string]string{
		"client id": clientID, "client secret": clientSecret, "token": accessToken + "7", "image": string(image), "session": awsSession,
	} {
		piece := []byte(secret[3 : 3+2*shown])
		quoted, _ := json.Marshal(map[string]string{"message": secret})
		twice, _ := json.Marshal(string(quoted))
		for how, text := range map[string][]byte{
			"as it is":     []byte("failed: " + secret),
			"a part of it": bytes.Join([][]byte{nil, piece, nil}, []byte("...")),
			"in base64":    []byte("x" + base64.StdEncoding.EncodeToString([]byte(secret))),
			"shifted":      []byte(base64.RawURLEncoding.EncodeToString([]byte("Bearer " + secret))),
			"in hex":       fmt.Appendf(nil, "%x", secret),
			"in a form":    []byte(url.Values{"secret": {secret}}.Encode()),
			"quoted":       fmt.Appendf(nil, "%q", secret),
			"in JSON":      quoted,
			"JSON in JSON": twice,
			"as numbers":   fmt.Appendf(nil, "%v", []byte(secret)),
		} {
			if canaries.find(text) == "" {
				t.Errorf("%s, %s: not found in %q", name, how, text)
			}
		}
	}
	if leak := canaries.find([]byte(strings.Repeat(accessToken[:shown-1]+" ", 3))); leak != "" {
		t.Errorf("found %s in less than %d bytes of it", leak, shown)
	}
}
