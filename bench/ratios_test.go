//go:build bench

package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func (c *cell) costs() []float64 { return slices.Collect(maps.Values(c.perCPU)) }

// over is how many times it our cost is worth, round by round, so that what
// disturbs a round counts less.
func (c *cell) over(it *cell) (times []float64) {
	for round, v := range c.perCPU {
		if its, ok := it.perCPU[round]; ok {
			times = append(times, v/its)
		}
	}
	return times
}

// reportRatios is the answer in short: a row for each scenario, a column for
// each peer.
func reportRatios(t *testing.T, list []peer, all cells) {
	t.Helper()
	head := []string{"Segue's requests per CPU-second ÷"}
	for _, p := range list {
		if p.name != direct && p.name != ours {
			head = append(head, p.name)
		}
	}
	tab := table{rows: [][]string{head}}
	for _, s := range slices.Concat(chosen(false), chosen(true)) {
		row := []string{s.name}
		for _, name := range head[1:] {
			row = append(row, ratio(median(all.of(s, ours).over(all.of(s, name)))))
		}
		tab.row(row...)
	}
	write(t, "ratios", how(), tab, list)
}

// reportThroughput is the answer with all that it rests on.
func reportThroughput(t *testing.T, list []peer, all cells) {
	t.Helper()
	var tab table
	tab.row("scenario", "proxy", "requests per CPU-second", "(worst … best round)", "Segue ÷ it", "(by round)", "requests/s", "proxy, of its CPU", "load's CPU busy")
	for _, s := range slices.Concat(chosen(false), chosen(true)) {
		for _, p := range list {
			if !p.asks(s) {
				continue
			}
			c, times := all.of(s, p.name), []float64(nil)
			if p.name != ours {
				times = all.of(s, ours).over(c)
			}
			tab.row(s.name, p.name, c.median(), spread(c.costs(), thousands), ratio(median(times)), spread(times, ratio),
				c.perSecond(), percent(median(c.busy)), percent(median(c.load)))
		}
	}
	write(t, "throughput", how(), tab, list)
}

func (c *cell) median() string {
	s := ""
	if len(c.perCPU) > 0 {
		s = thousands(median(c.costs()))
	}
	if c.failed > 0 {
		s += fmt.Sprintf(" (left out: %d of %d rounds)", c.failed, rounds)
	}
	return strings.TrimSpace(s)
}

func (c *cell) perSecond() string {
	if len(c.rate) == 0 {
		return ""
	}
	return thousands(median(c.rate))
}

func how() string {
	return fmt.Sprintf("%d rounds of %v each, medians; %s.", rounds, span, pinning())
}

func ratio(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", v)
}

func percent(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*v)
}
