package document

import (
	"bytes"
	"encoding/json"
	"strings"

	"omr-relay/internal/jsonscan"
)

// IsPattern reports whether a file is a recognition pattern (.omr) as the
// upstream generates it: a JSON object that tells of pages.
func IsPattern(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !json.Valid(data) {
		return false
	}
	pages := false
	err := jsonscan.Object(data, func(name string, value []byte) error {
		pages = pages || strings.EqualFold(name, "Pages") && value[0] == '['
		return nil
	})
	return err == nil && pages
}
