// Package layout says where a batch is in the bucket, and what is in its order: for
// who places one, who runs it, and who reads its tables. It is built on nothing.
//
//	layout.go  keys
//	order.go   what a batch is asked to do
//
// A batch is what lies under its prefix: batches/{caller}/{id}/ for callers of the API,
// whatever begins with batches/ for who works in AWS itself.
//
//	pattern.omr        the recognition pattern
//	order.json         what the API was asked for; none is needed
//	(anything else)    the scans, where there is no order
//	work/…             copies of the scans a page each, the manifest, the list of items
//	results/…          answers.csv, answers.jsonl, exceptions.csv
//
// Results of sheets are beside the batches, under their caller: another batch pays for
// nothing that is there.
package layout

// What keys begin with. The template's lifecycle and the functions' permissions know
// them, too.
const (
	Root   = "batches/"
	Sheets = "sheets/"
)

// What a batch's keys go on with.
const (
	Pattern = "pattern.omr"
	Ordered = "order.json"
	Work    = "work/"
	Results = "results/"
)

// Tables are the names of a batch's results, in the order in which people want them.
var Tables = []string{"answers.csv", "answers.jsonl", "exceptions.csv"}

// PrefixOf is a caller's batch.
func PrefixOf(caller, id string) string { return Root + caller + "/" + id + "/" }

// PatternKey is where a batch's pattern is.
func PatternKey(prefix string) string { return prefix + Pattern }

// OrderKey is where a batch's order is.
func OrderKey(prefix string) string { return prefix + Ordered }

// TableKey is where a table of a batch is.
func TableKey(prefix, name string) string { return prefix + Results + name }
