package scans

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"omr-relay/internal/document"
)

// inspected is what a file was seen to be.
type inspected struct {
	kind  document.Kind
	hash  string
	size  int64
	pages int    // 0: it cannot be told
	data  []byte // of the kinds that can have pages

	fault string // why it cannot be recognized
	// meantAsScan: it is a picture, if not one that can be recognized.
	meantAsScan bool
}

const (
	headSize = 256 << 10 // a photo's size may come after a preview
	tailSize = 64 << 10  // cameras write a little after a picture's end
)

// inspect reads a file once.
func inspect(path string, limit int64) (*inspected, error) {
	opened, err := os.Open(path) //nolint:gosec // the user names files of their own
	if err != nil {
		return nil, err
	}
	defer func() { _ = opened.Close() }() // it was only read
	head := make([]byte, headSize)
	n, err := io.ReadFull(opened, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	head = head[:n]
	seen := &inspected{kind: document.Identify(head)}
	if !seen.kind.Readable() {
		seen.refuse()
		return seen, nil
	}
	whole := io.MultiReader(bytes.NewReader(head), opened)
	hash := sha256.New()
	if seen.kind == document.PDF || seen.kind == document.TIFF {
		seen.data, err = io.ReadAll(io.LimitReader(whole, limit+1))
		if err != nil {
			return nil, err
		}
		if int64(len(seen.data)) > limit {
			seen.fault = fmt.Sprintf("a %s of more than %s", seen.kind, megabytes(limit))
			return seen, nil
		}
		_, _ = hash.Write(seen.data) // a hash takes everything
		seen.size = int64(len(seen.data))
		seen.pages = document.Pages(seen.data, seen.kind)
	} else {
		end := &tail{}
		if seen.size, err = io.Copy(io.MultiWriter(hash, end), whole); err != nil {
			return nil, err
		}
		seen.pages = 1
		seen.fault = brokenOff(seen.kind, head, end.kept, seen.size)
	}
	seen.hash = hex.EncodeToString(hash.Sum(nil))
	return seen, nil
}

// refuse says why a file of its kind cannot be recognized.
func (i *inspected) refuse() {
	switch i.kind {
	case document.Empty:
		i.fault = "empty"
	case document.HEIC, document.AVIF, document.WebP:
		i.fault = fmt.Sprintf("%s, which Aspose does not read: convert it to JPEG", i.kind)
		i.meantAsScan = true
	case document.Damaged:
		i.fault = "damaged: something on its way here took it for text"
		i.meantAsScan = true
	default:
		i.fault = "not a scan: its content is none of JPEG, PNG, GIF, TIFF, BMP and PDF"
	}
}

// brokenOff says why a picture cannot be whole, or nothing. A picture that no
// reader could read is paid for like any other.
func brokenOff(kind document.Kind, head, end []byte, size int64) string {
	var (
		err  error
		last []byte // something that stands at the end
	)
	switch kind {
	case document.JPEG:
		_, err = jpeg.DecodeConfig(bytes.NewReader(head))
		last = []byte{0xff, 0xd9}
	case document.PNG:
		_, err = png.DecodeConfig(bytes.NewReader(head))
		last = []byte("IEND")
	case document.GIF:
		_, err = gif.DecodeConfig(bytes.NewReader(head))
		last = []byte{0x3b}
	case document.BMP:
		if len(head) < 26 || int64(binary.LittleEndian.Uint32(head[2:])) > size {
			return "broken off: it is shorter than it says"
		}
	}
	_, unsupported := errors.AsType[jpeg.UnsupportedError](err)
	_, unsupportedPNG := errors.AsType[png.UnsupportedError](err)
	cut := errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
	switch {
	case err == nil, unsupported, unsupportedPNG:
	case cut && size > int64(len(head)):
		// What is before the picture is longer than what was read of it.
	default:
		return fmt.Sprintf("damaged: it begins as a %s and does not go on as one", kind)
	}
	if !bytes.Contains(end, last) {
		return "broken off: the picture's end is missing"
	}
	return ""
}

// tail keeps the last bytes that are written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if len(t.kept) > 2*tailSize {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-tailSize:]...)
	}
	return len(p), nil
}
