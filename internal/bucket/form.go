package bucket

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// FormLife is how long a form can be used.
const FormLife = 15 * time.Minute

// Form is what an upload is sent by: a POST to URL of multipart/form-data, the
// Fields first and the file last, as file.
type Form struct {
	Upload  string // the upload's id, known to its caller alone
	URL     string
	Fields  map[string]string
	Expires time.Time
}

// NewForm returns a form for one upload of a caller. S3 takes by it one object, of
// one byte to the bucket's maximum, under the key that is made here. No call is
// made but for the credentials that sign it.
func (b *Bucket) NewForm(ctx context.Context, caller string) (*Form, error) {
	var random [16]byte
	_, _ = rand.Read(random[:]) // it does not fail
	f := &Form{Upload: hex.EncodeToString(random[:]), Expires: time.Now().Add(FormLife).Truncate(time.Second)}
	signed, err := s3.NewPresignClient(b.client).PresignPostObject(ctx, &s3.PutObjectInput{Bucket: &b.name, Key: uploadKey(caller, f.Upload)},
		func(o *s3.PresignPostOptions) {
			o.Expires = FormLife
			o.Conditions = []any{[]any{"content-length-range", 1, b.maxUpload}}
		})
	if err != nil {
		return nil, unavailable(err)
	}
	f.URL, f.Fields = signed.URL, signed.Values
	return f, nil
}

func uploadKey(caller, id string) *string { return new(UploadKey(caller, id)) }

// UploadKey is where a caller's upload is.
func UploadKey(caller, id string) string { return uploads + caller + "/" + id }
