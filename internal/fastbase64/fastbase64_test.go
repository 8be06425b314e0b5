package fastbase64

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// same holds Decode against encoding/base64, with a dst of the least size and
// with one that has room to spare.
func same(t *testing.T, src []byte) {
	t.Helper()
	src = slices.Clip(src) // nothing after it to be read unnoticed
	least := base64.StdEncoding.DecodedLen(len(src))
	want := make([]byte, least)
	wantN, wantErr := base64.StdEncoding.Decode(want, src)
	for _, room := range []int{least, len(src) + 8} {
		got := make([]byte, room)
		n, err := Decode(got, src)
		if n != wantN || !errors.Is(err, wantErr) || !bytes.Equal(got[:n], want[:wantN]) {
			t.Errorf("%q into %d: %d bytes %x, %v; want %d bytes %x, %v", src, room, n, got[:n], err, wantN, want[:wantN], wantErr)
		}
	}
}

func noise(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

// TestEveryPair decodes each two bytes at each place of a word.
func TestEveryPair(t *testing.T) {
	for at := range 7 {
		for pair := range 1 << 16 {
			src := []byte("QmFzZTY0QmFzZTY0")
			src[at], src[at+1] = byte(pair), byte(pair>>8)
			same(t, src)
		}
	}
}

// TestEveryLength includes the lengths that leave a tail.
func TestEveryLength(t *testing.T) {
	for size := range 64 {
		src := base64.StdEncoding.AppendEncode(nil, noise(size))
		for end := range len(src) + 1 {
			same(t, src[:end])
		}
	}
}

// TestShortOfRoom has a dst that is exactly long enough.
func TestShortOfRoom(t *testing.T) {
	for size := range 64 {
		data := noise(size)
		dst := make([]byte, size)
		n, err := Decode(dst, base64.StdEncoding.AppendEncode(nil, data))
		if err != nil || !bytes.Equal(dst[:n], data) {
			t.Errorf("%d bytes: %x, %v", size, dst[:n], err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	encoded := base64.StdEncoding.EncodeToString(noise(100))
	for _, s := range []string{"", encoded, encoded[:64] + "\r\n" + encoded[64:], "AAAAAAA=", "AAAAAA==", "AAAAAA==\n", "AAAA====AAAA", "AAAAAAA-AAAAAAA_", "AAAAAA=", "QUFB\nQUFBQUFB", "AAAAAAAAAAAAAA=A"} {
		f.Add([]byte(s))
	}
	f.Fuzz(same)
}

func BenchmarkDecode(b *testing.B) {
	src := base64.StdEncoding.AppendEncode(nil, noise(3_300_000))
	dst := make([]byte, len(src))
	for name, decode := range map[string]func(dst, src []byte) (int, error){"ours": Decode, "encoding": base64.StdEncoding.Decode} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(dst, src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
