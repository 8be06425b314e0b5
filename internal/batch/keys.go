package batch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/omr"
)

func manifestKey(prefix string) string { return prefix + layout.Work + "sheets.jsonl" }
func itemsKey(prefix string) string    { return prefix + layout.Work + "items.csv" }
func scanKey(prefix string, number int) string {
	return prefix + layout.Work + "scans/" + strconv.Itoa(number)
}

// validPrefix keeps steps within the batches.
func validPrefix(prefix string) error {
	rest, ok := strings.CutPrefix(prefix, layout.Root)
	if !ok || rest == "" || rest == "/" || !strings.HasSuffix(prefix, "/") || len(prefix) > 900 || strings.Contains(prefix, "//") {
		return fault(BadInput, "the prefix must be one under "+layout.Root+", and end in a slash", nil)
	}
	return nil
}

// callerOf is whose batch it is: that of a prefix which the API made.
func callerOf(prefix string) string {
	caller, rest, _ := strings.Cut(strings.TrimPrefix(prefix, layout.Root), "/")
	if id, end, ok := strings.Cut(rest, "/"); ok && end == "" && isHex(caller) && isHex(id) {
		return caller
	}
	return "aws"
}

func isHex(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// resultKey is where a sheet's result is.
func resultKey(caller, id string) string { return layout.Sheets + caller + "/" + id }

// sheetID is what a sheet is recognized by: content, pattern, threshold and format.
func sheetID(content, pattern string, o *layout.Order) string {
	threshold := -1
	if o.Threshold != nil {
		threshold = *o.Threshold
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %s", content, pattern, threshold, omr.CSV))
	return hex.EncodeToString(sum[:16])
}
