package metric

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDocumentedMetrics holds the table of docs/errors.md to the code: the same metrics,
// with the same units and dimensions.
func TestDocumentedMetrics(t *testing.T) {
	_, rows, found := strings.Cut(page(t), "\n| metric | unit | further dimensions | what it counts |\n|---|---|---|---|\n")
	if !found {
		t.Fatal("docs/errors.md has no table of metrics")
	}
	rows, _, _ = strings.Cut(rows, "\n\n")
	var documented, inCode []string
	for row := range strings.Lines(rows) {
		cells := strings.Split(row, "|")
		documented = append(documented, strings.TrimSpace(cells[1])+strings.TrimRight(cells[2], " ")+" "+strings.TrimSpace(cells[3]))
	}
	for m := range count {
		by := ""
		if table[m].by != nil {
			by = "`" + strings.Join(table[m].by, "`, `") + "`"
		}
		inCode = append(inCode, fmt.Sprintf("%#q %s %s", m.Name(), table[m].unit, by))
	}
	slices.Sort(documented)
	slices.Sort(inCode)
	if !slices.Equal(documented, inCode) {
		t.Errorf("documented:\n\t%s\nin the code:\n\t%s", strings.Join(documented, "\n\t"), strings.Join(inCode, "\n\t"))
	}
}

// TestDocumentedQuery: what the queries of Logs Insights add up is there.
func TestDocumentedQuery(t *testing.T) {
	sums := regexp.MustCompile(`sum\((\w+)\)`).FindAllStringSubmatch(page(t), -1)
	if len(sums) == 0 {
		t.Error("no query")
	}
	for _, sum := range sums {
		if !slices.ContainsFunc(table[:], func(row struct {
			name, unit string
			by         []string
		}) bool {
			return row.name == sum[1]
		}) {
			t.Errorf("the query adds up %s", sum[1])
		}
	}
}

// TestDocumentedCostOfMetrics works out anew what the page says of the metrics' number
// and cost.
func TestDocumentedCostOfMetrics(t *testing.T) {
	const perMetric = 0.30
	number := `(\d+(?:\.\d+)?)`
	told := regexp.MustCompile(`in which they are written: ` + number + ` of the function, and one for each further\nvalue. A typical stack has ` + number +
		` \(` + number + ` pairs of .route. and .status_class., ` + number + ` codes, ` + number + ` reasons\), so \$` + number + ` a month`).FindStringSubmatch(page(t))
	if told == nil {
		t.Fatal("docs/errors.md does not say what metrics cost")
	}
	n := make([]float64, len(told))
	for i := range told {
		n[i], _ = strconv.ParseFloat(told[i], 64)
	}
	if whole := n[1] + n[3] + n[4] + n[5]; n[1] != float64(count) || n[2] != whole || math.Abs(n[6]-whole*perMetric) > 0.005 {
		t.Errorf("told %q, there are %d metrics", told[1:], count)
	}
}
