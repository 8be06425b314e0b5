package sandbox_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"omr-relay/internal/sandbox"
)

func TestS3Copies(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	ctx := t.Context()
	const from, to = "uploads/a b+c/ü%2F.bin", "work/1"
	put, err := b.put(ctx, from, "0123456789", func(in *s3.PutObjectInput) { in.ContentType = aws.String("image/png") })
	wantS3(t, err, "")
	copied := func(source string, change ...func(*s3.CopyObjectInput)) (*s3.CopyObjectOutput, error) {
		in := &s3.CopyObjectInput{Bucket: aws.String(sandbox.DefaultBucket), Key: aws.String(to), CopySource: &source}
		for _, f := range change {
			f(in)
		}
		return b.client.CopyObject(ctx, in)
	}
	const escaped = "/uploads/a%20b%2Bc/%C3%BC%252F.bin"
	for _, source := range []string{sandbox.DefaultBucket + escaped, "/" + sandbox.DefaultBucket + escaped} {
		b.RemoveObject(to)
		out, err := copied(source, func(in *s3.CopyObjectInput) { in.CopySourceIfMatch = put.ETag })
		wantS3(t, err, "")
		if *out.CopyObjectResult.ETag != *put.ETag || out.CopyObjectResult.LastModified == nil {
			t.Errorf("%+v", out.CopyObjectResult)
		}
		got, body, err := b.get(ctx, to)
		if err != nil || body != "0123456789" || *got.ContentType != "image/png" {
			t.Errorf("%q, %+v, %v", body, got, err)
		}
	}
	for want, change := range map[string]func(*s3.CopyObjectInput){
		"404 NoSuchKey":          func(in *s3.CopyObjectInput) { in.CopySource = aws.String(sandbox.DefaultBucket + "/none") },
		"404 NoSuchBucket":       func(in *s3.CopyObjectInput) { in.CopySource = aws.String("another-bucket" + escaped) },
		"400 InvalidArgument":    func(in *s3.CopyObjectInput) { in.CopySource = aws.String(sandbox.DefaultBucket) },
		"400 InvalidRequest":     func(in *s3.CopyObjectInput) { in.Key = aws.String(from) },
		"412 PreconditionFailed": func(in *s3.CopyObjectInput) { in.CopySourceIfMatch = aws.String(`"0"`) },
		"501 NotImplemented":     func(in *s3.CopyObjectInput) { in.TaggingDirective = types.TaggingDirectiveCopy },
	} {
		_, err := copied(sandbox.DefaultBucket+escaped, change)
		wantS3(t, err, want)
	}
	_, err = copied(sandbox.DefaultBucket+escaped, func(in *s3.CopyObjectInput) { in.ContentType = aws.String("text/plain") })
	wantS3(t, err, "501 NotImplemented")
	_, err = copied(sandbox.DefaultBucket+escaped, func(in *s3.CopyObjectInput) {
		in.ContentType, in.MetadataDirective, in.TaggingDirective = aws.String("text/plain"), types.MetadataDirectiveReplace, types.TaggingDirectiveReplace
	})
	if err != nil {
		t.Error(err)
	}
}

func TestS3DeletesMany(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	var all []types.ObjectIdentifier
	for i := range 1001 {
		key := fmt.Sprintf("k/%d & <more>", i)
		b.SetObject(key, nil)
		all = append(all, types.ObjectIdentifier{Key: &key})
	}
	b.SetObject("stays", nil)
	remove := func(objects []types.ObjectIdentifier, quiet bool) (*s3.DeleteObjectsOutput, error) {
		return b.client.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{
			Bucket: aws.String(sandbox.DefaultBucket), Delete: &types.Delete{Objects: objects, Quiet: &quiet},
		})
	}
	_, err := remove(all, true)
	wantS3(t, err, "400 MalformedXML")
	_, err = remove([]types.ObjectIdentifier{{Key: all[0].Key, VersionId: aws.String("1")}}, true)
	wantS3(t, err, "501 NotImplemented")
	if n := len(b.Keys()); n != 1002 {
		t.Errorf("%d are left of what was refused", n)
	}
	out, err := remove(all[:1000], true)
	if err != nil || len(out.Deleted) != 0 || len(out.Errors) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = remove(all[999:], false) // one of which is gone
	if err != nil || len(out.Deleted) != 2 || *out.Deleted[1].Key != *all[1000].Key {
		t.Errorf("%+v, %v", out, err)
	}
	if got := b.Keys(); !slices.Equal(got, []string{"stays"}) {
		t.Errorf("left: %q", got)
	}
}

// S3 takes no list of what is to be deleted that may have been changed on the way.
func TestS3DeletesNothingUnchecked(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	b.SetObject("key", nil)
	const list = "<Delete><Object><Key>key</Key></Object></Delete>"
	sum := md5.Sum([]byte(list))
	for md5Header, want := range map[string]string{
		"": "InvalidRequest", "AAAAAAAAAAAAAAAAAAAAAA==": "BadDigest", base64.StdEncoding.EncodeToString(sum[:]): "<DeleteResult",
	} {
		req, err := http.NewRequest(http.MethodPost, b.url+"/"+sandbox.DefaultBucket+"?delete=", strings.NewReader(list))
		if err != nil {
			t.Fatal(err)
		}
		if md5Header != "" {
			req.Header.Set("Content-MD5", md5Header)
		}
		digest := sha256.Sum256([]byte(list))
		payload := hex.EncodeToString(digest[:])
		req.Header.Set("X-Amz-Content-Sha256", payload)
		keys := aws.Credentials{AccessKeyID: sandbox.DefaultAccessKeyID, SecretAccessKey: sandbox.DefaultSecretAccessKey}
		if err := v4.NewSigner().SignHTTP(t.Context(), keys, req, payload, "s3", "us-east-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(string(said), want) {
			t.Errorf("Content-MD5 %q: %s, want %s", md5Header, said, want)
		}
	}
	if got := b.Keys(); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}
