package batch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/idempotency"
	"omr-relay/internal/omr"
)

// manifestKey is where an execution's list of sheets is. Each has its own: what an earlier
// one of the same prefix listed, perhaps by another pattern, is erased with the batch.
func manifestKey(prefix, execution string) string {
	return manifestsOf(prefix) + digest(execution) + ".jsonl"
}

func manifestsOf(prefix string) string { return prefix + layout.Work + "manifests/" }

// faultKey is where a step of a sheet leaves word of the fault by which the map fails.
func faultKey(prefix, execution string, name Name) string {
	return prefix + layout.Work + "faults/" + digest(execution) + "/" + string(name) + ".json"
}

func itemsKey(prefix string) string   { return prefix + layout.Work + "items.csv" }
func foundKey(prefix string) string   { return prefix + layout.Work + "found.jsonl" }
func termsKey(prefix string) string   { return prefix + layout.Work + "terms.json" }
func patternKey(prefix string) string { return prefix + layout.Work + layout.Pattern }
func paceKey(prefix string) string    { return prefix + layout.Work + "pace.json" }

// scanKey is where the copy of a scan is. It goes by the content: who comes with an old
// list of sheets finds the right one, or none.
func scanKey(prefix, scan string) string { return prefix + layout.Work + "scans/" + scan }

// resultKey is where a sheet's result is.
func resultKey(caller, sheet string) string { return layout.Sheets + caller + "/" + sheet + ".json" }

// intentKey is where the record of its submission is: beside the result, and for as
// long.
func intentKey(caller, sheet string) string {
	return layout.Sheets + idempotency.Name(caller, intentName(sheet))
}

func intentName(sheet string) string { return "sheet " + sheet }

// validPrefix keeps steps within the batches.
func validPrefix(prefix string) error {
	rest, ok := strings.CutPrefix(prefix, layout.Root)
	if !ok || rest == "" || rest == "/" || !strings.HasSuffix(prefix, "/") || len(prefix) > 512 || strings.Contains(prefix, "//") {
		return fault(BadInput, "the prefix must be one under "+layout.Root+", and end in a slash")
	}
	return nil
}

// callerOf is whose batch it is: that of a prefix which the API made.
func callerOf(prefix string) string {
	caller, rest, _ := strings.Cut(strings.TrimPrefix(prefix, layout.Root), "/")
	if id, end, ok := strings.Cut(rest, "/"); ok && end == "" && layout.ValidID(caller) && layout.ValidID(id) {
		return caller
	}
	return "aws"
}

// scanOf is what a scan goes by: its content, told by whatever tells one from another.
func scanOf(kind, content string) string { return digest(kind + " " + content) }

// sheetOf is what a sheet goes by: content, pattern, threshold and format.
func sheetOf(scan string, pattern [sha256.Size]byte, threshold *int) string {
	percent := -1
	if threshold != nil {
		percent = *threshold
	}
	return digest(fmt.Sprintf("%s %x %d %s", scan, pattern, percent, omr.CSV))
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}
