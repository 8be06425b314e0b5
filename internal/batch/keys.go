package batch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"omr-relay/internal/omr"
)

// A batch is what lies under its prefix: batches/{caller}/{id}/ for callers of the
// API, whatever begins with batches/ for who works in AWS itself.
//
//	pattern.omr        the recognition pattern
//	order.json         what the API was asked for; none is needed
//	(anything else)    the scans, where there is no order
//	work/…             copies of the scans a page each, the manifest, the list of items
//	results/…          answers.csv, answers.jsonl, exceptions.csv
//
// Results of sheets are beside the batches, under their caller: another batch pays
// for nothing that is there.
const (
	Root        = "batches/"
	patternName = "pattern.omr"
	orderName   = "order.json"
	workFolder  = "work/"
	tableFolder = "results/"
	sheetsRoot  = "sheets/"
)

// Tables are the names of a batch's results, in the order in which people want them.
var Tables = []string{"answers.csv", "answers.jsonl", "exceptions.csv"}

// TableKey is where a table of a batch is.
func TableKey(prefix, name string) string { return prefix + tableFolder + name }

// PatternKey is where a batch's pattern is.
func PatternKey(prefix string) string { return prefix + patternName }

// OrderKey is where a batch's order is.
func OrderKey(prefix string) string { return prefix + orderName }

// PrefixOf is a caller's batch.
func PrefixOf(caller, id string) string { return Root + caller + "/" + id + "/" }

func manifestKey(prefix string) string { return prefix + workFolder + "sheets.jsonl" }
func itemsKey(prefix string) string    { return prefix + workFolder + "items.csv" }
func scanKey(prefix string, number int) string {
	return prefix + workFolder + "scans/" + strconv.Itoa(number)
}

// validPrefix keeps steps within the batches.
func validPrefix(prefix string) error {
	rest, ok := strings.CutPrefix(prefix, Root)
	if !ok || rest == "" || rest == "/" || !strings.HasSuffix(prefix, "/") || len(prefix) > 900 || strings.Contains(prefix, "//") {
		return fault(BadInput, "the prefix must be one under "+Root+", and end in a slash", nil)
	}
	return nil
}

// callerOf is whose batch it is: that of a prefix which the API made.
func callerOf(prefix string) string {
	caller, rest, _ := strings.Cut(strings.TrimPrefix(prefix, Root), "/")
	if id, end, ok := strings.Cut(rest, "/"); ok && end == "" && isHex(caller) && isHex(id) {
		return caller
	}
	return "aws"
}

func isHex(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// resultKey is where a sheet's result is.
func resultKey(caller, id string) string { return sheetsRoot + caller + "/" + id }

// sheetID is what a sheet is recognized by: content, pattern, threshold and format.
func sheetID(content, pattern string, o *Order) string {
	threshold := -1
	if o.Threshold != nil {
		threshold = *o.Threshold
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %s", content, pattern, threshold, omr.CSV))
	return hex.EncodeToString(sum[:16])
}
