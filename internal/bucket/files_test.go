package bucket_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/bucket"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

func read(t *testing.T, files bucket.Files, key string) string {
	t.Helper()
	body, size, err := files.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil || int64(len(data)) != size {
		t.Fatalf("%d bytes of %d, %v", len(data), size, err)
	}
	return string(data)
}

func TestFiles(t *testing.T) {
	b, s3 := newBucket(t)
	files := b.Files()
	const name = "batches/a b+c/ü%2F?#.jpg"
	if err := files.Write(t.Context(), name, strings.NewReader("a scan"), "image/jpeg"); err != nil {
		t.Fatal(err)
	}
	found, err := files.Find(t.Context(), name)
	if err != nil || found.Size != 6 || string(found.Head) != "a scan" || found.ETag() == "" {
		t.Fatalf("%+v, %v", found, err)
	}
	if err := files.Copy(t.Context(), found, "batches/copy"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, files, "batches/copy"); got != "a scan" {
		t.Errorf("copied %q", got)
	}
	// What was written again since is not what was looked at.
	s3.SetObject(name, []byte("another"))
	if err := files.Copy(t.Context(), found, "batches/copy"); errors.Is(err, fs.ErrNotExist) || problem.From(err).Code != problem.BucketUnavailable {
		t.Errorf("got %v", err)
	}
	s3.RemoveObject(name)
	_, err = files.Find(t.Context(), name)
	_, _, readErr := files.Read(t.Context(), name)
	for _, err := range []error{err, readErr, files.Copy(t.Context(), found, "batches/copy")} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("of what is missing: %v", err)
		}
	}
	s3.SetObject("batches/empty", nil)
	if found, err := files.Find(t.Context(), "batches/empty"); err != nil || found.Size != 0 || len(found.Head) != 0 {
		t.Errorf("%+v, %v", found, err)
	}
}

// What is renewed is what it was, and counts as written now.
func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s3 := &sandbox.S3{}
		files := bucketAt("http://s3.test", &http.Client{Transport: sandbox.InProcess(s3)}).Files()
		copies := 0
		s3.Respond(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("X-Amz-Copy-Source") != "" {
				copies++
			}
			return false
		})
		const key = "sheets/aws/1.json"
		s3.SetObject(key, []byte("{}"))
		for i, tt := range []struct {
			after  time.Duration
			copies int
		}{{time.Hour, 0}, {time.Hour, 1}, {time.Hour, 1}, {time.Hour, 2}} {
			time.Sleep(tt.after)
			if err := files.Renew(t.Context(), key, 2*time.Hour); err != nil || copies != tt.copies {
				t.Errorf("%d: %v, %d copies", i, err, copies)
			}
		}
		if got, _ := s3.Object(key); string(got) != "{}" {
			t.Errorf("it is %q", got)
		}
		s3.RemoveObject(key)
		if err := files.Renew(t.Context(), key, 0); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("of what is missing: %v", err)
		}
	})
}

func TestFilesAreListedAndRemoved(t *testing.T) {
	b, s3 := newBucket(t)
	files := b.Files()
	var want, got []string
	for i := range 1005 {
		want = append(want, fmt.Sprintf("batches/%04d & more", i))
		s3.SetObject(want[i], []byte("x"))
	}
	s3.SetObject("sheets/1", nil)
	list := func(stop error) error {
		got = nil
		return files.List(t.Context(), "batches/", func(e bucket.Entry) error {
			if got = append(got, e.Key); e.Size != 1 || e.ETag == "" {
				t.Errorf("%+v", e)
			}
			return stop
		})
	}
	if err := list(nil); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d are listed, %v", len(got), err)
	}
	stop := errors.New("enough")
	if err := list(stop); !errors.Is(err, stop) || len(got) != 1 {
		t.Errorf("%d are listed, %v", len(got), err)
	}
	for range 2 { // what is not there is removed
		if err := files.Remove(t.Context(), want[:1000]); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Remove(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := list(nil); err != nil || !slices.Equal(got, want[1000:]) {
		t.Errorf("%q are left, %v", got, err)
	}
	s3.Respond(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			_, _ = io.WriteString(w, "<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code><Message>words</Message></Error></DeleteResult>")
		}
		return r.Method == http.MethodPost
	})
	if err := files.Remove(t.Context(), want); problem.From(err).Code != problem.BucketUnavailable || strings.Contains(err.Error(), "words") {
		t.Errorf("got %v", err)
	}
}

// A link is of one object, and for a while.
func TestLink(t *testing.T) {
	b, s3 := newBucket(t)
	now := time.Now()
	s3.Now = func() time.Time { return now }
	s3.SetObject("batches/answers.csv", []byte("image,status\r\n"))
	link, err := b.Files().Link(t.Context(), "batches/answers.csv", "answers.csv")
	if err != nil || s3.Count() != 0 {
		t.Fatalf("%v, after %d calls", err, s3.Count())
	}
	follow := func(link string) (int, string, string) {
		resp, err := http.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, resp.Header.Get("Content-Disposition"), string(body)
	}
	if status, named, body := follow(link); status != 200 || named != `attachment; filename="answers.csv"` || body != "image,status\r\n" {
		t.Errorf("%d %q %q", status, named, body)
	}
	if status, _, _ := follow(strings.Replace(link, "answers.csv", "others.csv", 1)); status != 403 {
		t.Errorf("of another object: %d", status)
	}
	now = now.Add(bucket.LinkLife + time.Second)
	if status, _, _ := follow(link); status != 403 {
		t.Errorf("later: %d", status)
	}
}

// Records of different prefixes are different ones.
func TestRecordsApart(t *testing.T) {
	b, s3 := newBucket(t)
	sheets := b.Records("sheets/")
	version, ok, err := sheets.WriteRecord(t.Context(), "c/k", []byte("1"), "")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if data, _, err := b.ReadRecord(t.Context(), "c/k"); err != nil || data != nil {
		t.Errorf("%q, %v", data, err)
	}
	if data, found, err := sheets.ReadRecord(t.Context(), "c/k"); err != nil || string(data) != "1" || found != version {
		t.Errorf("%q, %v", data, err)
	}
	if got := s3.Keys(); !slices.Equal(got, []string{"sheets/c/k"}) {
		t.Errorf("stored as %q", got)
	}
}
