package sandbox_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"omr-relay/internal/sandbox"
)

const uploadKey = "uploads/0123/4567"

// presign signs a form for uploadKey that is good for 15 minutes.
func (b *bucket) presign(t *testing.T, conditions ...any) map[string]string {
	t.Helper()
	signed, err := s3.NewPresignClient(b.client).PresignPostObject(t.Context(),
		&s3.PutObjectInput{Bucket: aws.String(sandbox.DefaultBucket), Key: aws.String(uploadKey)},
		func(o *s3.PresignPostOptions) { o.Expires, o.Conditions = 15*time.Minute, conditions })
	if err != nil {
		t.Fatal(err)
	}
	return signed.Values
}

const boundary = "sandbox-boundary"

// upload is a form as curl sends it: fields, the file, and what comes after.
func upload(fields map[string]string, file string, after ...string) string {
	var body strings.Builder
	w := multipart.NewWriter(&body)
	_ = w.SetBoundary(boundary)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		_ = w.WriteField(name, fields[name])
	}
	part, _ := w.CreateFormFile("file", "scan.png")
	_, _ = io.WriteString(part, file)
	for i := 0; i < len(after); i += 2 {
		_ = w.WriteField(after[i], after[i+1])
	}
	_ = w.Close()
	return body.String()
}

func (b *bucket) post(t *testing.T, body string, header ...string) (*http.Response, string) {
	t.Helper()
	header = append([]string{"Content-Type", "multipart/form-data; boundary=" + boundary}, header...)
	return call(t, http.DefaultTransport, http.MethodPost, b.url+"/"+sandbox.DefaultBucket, body, header...)
}

func TestS3PostObject(t *testing.T) {
	for name, keys := range map[string]aws.Credentials{
		"long-term": {},
		"temporary": {AccessKeyID: "ASIATEMPORARY", SecretAccessKey: "secret", SessionToken: "token/+="},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBucket(t, &sandbox.S3{Credentials: keys})
			fields := b.presign(t, []any{"content-length-range", 1, 10}, []any{"starts-with", "$Content-Type", "image/"})
			fields["Content-Type"] = "image/png"
			fields["x-ignore-note"] = "of no policy"
			resp, body := b.post(t, upload(fields, "0123456789", "acl", "public-read"))
			out, got, err := b.get(t.Context(), uploadKey)
			wantS3(t, err, "")
			if resp.StatusCode != http.StatusNoContent || body != "" || resp.Header.Get("ETag") != *out.ETag ||
				resp.Header.Get("Location") != b.url+"/"+sandbox.DefaultBucket+"/"+uploadKey {
				t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
			}
			if got != "0123456789" || *out.ContentType != "image/png" {
				t.Errorf("stored %q, %s", got, *out.ContentType)
			}
			// The policy is good for more than one upload, as long as it lasts.
			if resp, _ := b.post(t, upload(fields, "again")); resp.StatusCode != http.StatusNoContent {
				t.Errorf("again: %d", resp.StatusCode)
			}
			if got, _ := b.Object(uploadKey); string(got) != "again" {
				t.Errorf("holds %q", got)
			}
		})
	}
}

func TestS3PostObjectRefusals(t *testing.T) {
	set := func(name, value string) func(map[string]string) {
		return func(f map[string]string) { f[name] = value }
	}
	without := func(name string) func(map[string]string) {
		return func(f map[string]string) { delete(f, name) }
	}
	const policyFailed = "<Code>AccessDenied</Code><Message>Invalid according to Policy: "
	for _, tt := range []struct {
		name       string
		conditions []any
		change     func(map[string]string)
		ahead      time.Duration
		file       string
		status     int
		want       string
	}{
		{name: "just in time", ahead: 14*time.Minute + 50*time.Second, status: 204},
		{name: "expired", ahead: 15*time.Minute + time.Second, status: 403, want: policyFailed + "Policy expired.</Message>"},
		{name: "largest", file: "0123456789", status: 204},
		{name: "too large", file: "0123456789a", status: 400, want: "<Code>EntityTooLarge</Code>"},
		{name: "much too large", file: strings.Repeat("0", 100<<10), status: 400, want: "<MaxSizeAllowed>10</MaxSizeAllowed>"},
		{name: "empty", file: "-", status: 400, want: "<Code>EntityTooSmall</Code>"},
		{name: "another key", change: set("key", uploadKey+"8"), status: 403, want: policyFailed + `Policy Condition failed: [&#34;eq&#34;, &#34;$key&#34;, &#34;` + uploadKey},
		{name: "the file's name", change: set("key", "${filename}"), status: 403, want: "Policy Condition failed"},
		{name: "extra field", change: set("acl", "public-read"), status: 403, want: policyFailed + "Extra input fields: acl</Message>"},
		{name: "status", change: set("success_action_status", "201"), status: 403, want: "Extra input fields: success_action_status"},
		{name: "field that is not there", conditions: []any{[]any{"starts-with", "$Content-Type", ""}}, status: 403, want: "Policy Condition failed"},
		{name: "prefix", conditions: []any{[]any{"starts-with", "$Content-Type", "image/"}}, change: set("Content-Type", "image/png"), status: 204},
		{name: "another prefix", conditions: []any{[]any{"starts-with", "$Content-Type", "image/"}}, change: set("Content-Type", "image/png,text/html"), status: 403, want: "Policy Condition failed"},
		{name: "understood by S3 alone", conditions: []any{[]any{"eq", "$acl", "private"}}, change: set("acl", "private"), status: 501, want: "NotImplemented"},
		{name: "unknown condition", conditions: []any{[]any{"ends-with", "$key", "7"}}, status: 400, want: "<Code>InvalidPolicyDocument</Code>"},
		{name: "two in one", conditions: []any{map[string]string{"a": "b", "c": "d"}}, status: 400, want: "exactly one property"},
		{name: "signature", change: set("X-Amz-Signature", strings.Repeat("0", 64)), status: 403, want: "<Code>SignatureDoesNotMatch</Code>"},
		{name: "policy", change: func(f map[string]string) {
			document, _ := base64.StdEncoding.DecodeString(f["policy"])
			f["policy"] = base64.StdEncoding.EncodeToString(bytes.ReplaceAll(document, []byte(`,10]`), []byte(`,99]`)))
		}, status: 403, want: "SignatureDoesNotMatch"},
		{name: "access key", change: func(f map[string]string) { f["X-Amz-Credential"] = "AKIAOTHER" + f["X-Amz-Credential"] }, status: 403, want: "<Code>InvalidAccessKeyId</Code>"},
		{name: "token of nobody", change: set("X-Amz-Security-Token", "token"), status: 400, want: "<Code>InvalidToken</Code>"},
		{name: "scope", change: func(f map[string]string) {
			f["X-Amz-Credential"] = strings.Replace(f["X-Amz-Credential"], "/s3/", "/sts/", 1)
		}, status: 400, want: "AuthorizationHeaderMalformed"},
		{name: "algorithm", change: set("X-Amz-Algorithm", "AWS4-HMAC-SHA512"), status: 400, want: "<Code>InvalidRequest</Code>"},
		{name: "version 2", change: set("AWSAccessKeyId", sandbox.DefaultAccessKeyID), status: 400, want: "<Code>InvalidRequest</Code>"},
		{name: "no key", change: without("key"), status: 400, want: "<ArgumentName>key</ArgumentName>"},
		{name: "no signature", change: without("X-Amz-Signature"), status: 400, want: "<ArgumentName>X-Amz-Signature</ArgumentName>"},
		{name: "nothing signed", change: func(f map[string]string) { clear(f); f["key"] = uploadKey }, status: 403, want: "<Message>Access Denied</Message>"},
		{name: "long fields", change: set("x-ignore-note", strings.Repeat("x", 20<<10)), status: 400, want: "MaxPostPreDataLengthExceededError"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBucket(t, &sandbox.S3{})
			fields := b.presign(t, append([]any{[]any{"content-length-range", 1, 10}}, tt.conditions...)...)
			if tt.change != nil {
				tt.change(fields)
			}
			file := map[string]string{"": "data", "-": ""}[tt.file]
			if len(tt.file) > 1 {
				file = tt.file
			}
			b.moveClock(tt.ahead)
			resp, body := b.post(t, upload(fields, file))
			if resp.StatusCode != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, body, tt.status, tt.want)
			}
			if got, ok := b.Object(uploadKey); ok != (tt.status == http.StatusNoContent) || string(got) != file && ok {
				t.Errorf("stored %q, %t", got, ok)
			}
		})
	}
}

func TestS3PostObjectForms(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	fields := b.presign(t, []any{"content-length-range", 1, 10})
	whole := upload(fields, "data")
	end := strings.LastIndex(whole, "\r\n--"+boundary)
	for _, tt := range []struct {
		name, body string
		header     []string
		status     int
		want       string
	}{
		{name: "ends in the file", body: whole[:end], status: 400, want: "<Code>MalformedPOSTRequest</Code>"},
		{name: "ends in a field", body: whole[:200], status: 400, want: "<Code>MalformedPOSTRequest</Code>"},
		{name: "ends in the last boundary", body: whole[:len(whole)-6], status: 400, want: "<Code>MalformedPOSTRequest</Code>"},
		{name: "no file", body: strings.Replace(whole, `name="file"`, `name="x-ignore-file"`, 1), status: 400, want: "exactly one file"},
		{name: "field twice", body: strings.Replace(whole, `name="policy"`, `name="Key"`, 1), status: 400, want: "<Code>MalformedPOSTRequest</Code>"},
		{name: "nothing", body: "", status: 400, want: "<Code>MalformedPOSTRequest</Code>"},
		{name: "another boundary", body: strings.ReplaceAll(whole, boundary, "another"), status: 400, want: "<Code>MalformedPOSTRequest</Code>"},
		{name: "another type", body: whole, header: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 412, want: "<Code>PreconditionFailed</Code>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := tt.header
			if header == nil {
				header = []string{"Content-Type", "multipart/form-data; boundary=" + boundary}
			}
			resp, body := call(t, http.DefaultTransport, http.MethodPost, b.url+"/"+sandbox.DefaultBucket, tt.body, header...)
			if resp.StatusCode != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, body, tt.status, tt.want)
			}
		})
	}
	resp, body := call(t, http.DefaultTransport, http.MethodPost, b.url+"/another-bucket", whole, "Content-Type", "multipart/form-data; boundary="+boundary)
	if resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "NoSuchBucket") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/"+sandbox.DefaultBucket, io.MultiReader(strings.NewReader(whole)))
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	if resp, err := http.DefaultTransport.RoundTrip(req); err != nil || resp.StatusCode != http.StatusNotImplemented {
		t.Errorf("without a length: %v, %v", resp, err)
	}
	if keys := b.Keys(); len(keys) != 0 {
		t.Errorf("stored %q", keys)
	}
}

// A connection that ends before its Content-Length leaves nothing behind,
// wherever that is.
func TestS3PostObjectBrokenOff(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	whole := upload(b.presign(t, []any{"content-length-range", 1, 1000}), strings.Repeat("x", 1000))
	for _, at := range []int{10, 300, len(whole) - 600, len(whole) - 10} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "POST /%s HTTP/1.1\r\nHost: s3\r\nContent-Type: multipart/form-data; boundary=%s\r\nContent-Length: %d\r\n\r\n%s",
			sandbox.DefaultBucket, boundary, len(whole), whole[:at])
		_ = conn.(*net.TCPConn).CloseWrite()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		conn.Close()
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "<Code>IncompleteBody</Code>") {
			t.Errorf("broken off at %d: %d %s", at, resp.StatusCode, body)
		}
	}
	if keys := b.Keys(); len(keys) != 0 {
		t.Errorf("stored %q", keys)
	}
}

func TestS3CORS(t *testing.T) {
	const page, other = "https://app.example", "https://other.example"
	for _, tt := range []struct {
		name                    string
		allow                   []string
		origin, method, headers string
		status                  int
		want                    string
	}{
		{name: "none", origin: page, method: "POST", status: 403},
		{name: "allowed", allow: []string{other, page}, origin: page, method: "POST", status: 200, want: page},
		{name: "any", allow: []string{"*"}, origin: page, method: "POST", status: 200, want: "*"},
		{name: "another", allow: []string{page}, origin: other, method: "POST", status: 403},
		{name: "method", allow: []string{other, page}, origin: page, method: "PUT", status: 403},
		{name: "headers", allow: []string{other, page}, origin: page, method: "POST", headers: "x-a", status: 403},
		{name: "no question", allow: []string{other, page}, origin: page, status: 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBucket(t, &sandbox.S3{AllowOrigins: tt.allow})
			ask := []string{"Origin", tt.origin, "Access-Control-Request-Method", tt.method}
			if tt.headers != "" {
				ask = append(ask, "Access-Control-Request-Headers", tt.headers)
			}
			resp, _ := call(t, http.DefaultTransport, http.MethodOptions, b.url+"/"+sandbox.DefaultBucket, "", ask...)
			if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != tt.status || got != tt.want {
				t.Errorf("preflight: %d, %q", resp.StatusCode, got)
			}
			want := ""
			switch {
			case slices.Contains(tt.allow, tt.origin):
				want = tt.origin
			case slices.Contains(tt.allow, "*"):
				want = "*"
			}
			// A page may read why an upload was refused, too.
			for file, status := range map[string]int{"data": http.StatusNoContent, "": http.StatusBadRequest} {
				resp, _ = b.post(t, upload(b.presign(t, []any{"content-length-range", 1, 10}), file), "Origin", tt.origin)
				if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != status || got != want {
					t.Errorf("upload: %d, %q", resp.StatusCode, got)
				}
			}
			if resp, _ = call(t, http.DefaultTransport, http.MethodGet, b.url+"/", "", "Origin", tt.origin); resp.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("every page may read")
			}
		})
	}
}
