package recognize

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"

	"omr-relay/internal/omr"
)

// pack writes a ZIP that is the same for the same files. Pictures are compressed
// as they are.
func pack(files []omr.File) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	count := map[string]int{}
	for _, f := range files {
		count[f.Type]++
		method := zip.Store
		if f.Type == "Omr" || mediaTypes[f.Type] != "" && !strings.HasPrefix(mediaTypes[f.Type], "image/") {
			method = zip.Deflate
		}
		entry, err := w.CreateHeader(&zip.FileHeader{Name: fileName(f.Type, count[f.Type]), Method: method})
		if err == nil {
			_, err = entry.Write(f.Data)
		}
		if err != nil {
			return nil, fmt.Errorf("packing a form: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("packing a form: %w", err)
	}
	return out.Bytes(), nil
}

// fileName names the nth file of a type.
func fileName(kind string, n int) string {
	extension := strings.ToLower(omr.Status(kind).Word()) // a plain word, or unknown
	switch {
	case strings.HasPrefix(mediaTypes[kind], "image/"):
		return fmt.Sprintf("page-%d.%s", n, extension)
	case n > 1:
		return fmt.Sprintf("form-%d.%s", n, extension)
	default:
		return "form." + extension
	}
}
