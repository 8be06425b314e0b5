package fleet

import (
	"fmt"
	"strings"
	"time"
)

// The chart: a panel for each variant, three pixels for two minutes.
const (
	chartBegins, chartEnds = 7 * time.Hour, 17 * time.Hour
	left, right            = 40, 20
	top, panel, gap        = 78, 96, 34
)

func x(d time.Duration) int { return left + int((d-chartBegins)/time.Minute)*3/2 }

// chart is docs/fleet.svg.
func chart(r record) string {
	var b strings.Builder
	width := x(chartEnds) + right
	bottom := top + len(r.Variants)*(panel+gap) - gap
	highest := 0
	for _, v := range r.Variants {
		highest = max(highest, v.Figures.PeakMints)
	}
	highest = (highest + 49) / 50 * 50
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="Tokens minted per second over a day, for four variants of the relay">
<style>
text { font: 11px system-ui, sans-serif; fill: #59636e }
.name { font-weight: 600; fill: #1f2328 }
.line { stroke: #d1d9e0 }
.mints { fill: #0969da }
.incident { fill: #bf8700; fill-opacity: .22 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 }
.name { fill: #f0f6fc }
.line { stroke: #3d444d }
.mints { fill: #58a6ff }
.incident { fill: #d29922; fill-opacity: .3 }
}
</style>
`, width, bottom+24, width, bottom+24)
	fmt.Fprintf(&b, "<text x=\"%d\" y=\"14\" class=\"name\">Tokens minted per second (the highest of each minute), %s environments</text>\n", left, thousands(r.Fleet))
	for i, in := range schoolDay(int64(r.Fleet)).incidents {
		fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"incident\"/>\n", x(in.begins), top-16, max(x(in.ends)-x(in.begins), 2), bottom-top+16)
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\">%s</text>\n", x(in.begins), top-20-i%3*13, in.name)
	}
	for i, v := range r.Variants {
		y := top + i*(panel+gap)
		height := func(n int) int { return panel * n / highest }
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" class=\"name\">%s</text>\n", left+4, y-4, v.Name)
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s tokens, at most %d a second</text>\n", x(chartEnds), y-4, thousands(v.Figures.Mints), v.Figures.PeakMints)
		for _, mark := range []int{0, highest / 2, highest} {
			fmt.Fprintf(&b, "<path class=\"line\" d=\"M%d %d.5H%d\"/>\n", left, y+panel-height(mark), x(chartEnds))
			fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d</text>\n", left-6, y+panel-height(mark)+4, mark)
		}
		// Along the tops of the columns, and back along the line.
		fmt.Fprintf(&b, "<path class=\"mints\" d=\"M%d %d", left, y+panel)
		for minute := int(chartBegins / time.Minute); minute < int(chartEnds/time.Minute); minute++ {
			fmt.Fprintf(&b, "V%dh1.5", y+panel-height(v.Figures.Minutes[minute]))
		}
		fmt.Fprintf(&b, "V%dz\"/>\n", y+panel)
	}
	for hour := chartBegins; hour <= chartEnds; hour += time.Hour {
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x(hour), bottom+16, clock(hour))
	}
	b.WriteString("</svg>\n")
	return b.String()
}
