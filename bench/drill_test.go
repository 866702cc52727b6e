//go:build bench

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/seguehq/segue/drill"
)

// A drillPlan is what a process of its own is asked to send.
type drillPlan struct {
	URL   string
	Rate  int // requests per second
	For   time.Duration
	Conns int
	// Flood is a rate that may be too high: at most Conns requests are under
	// way, and those that are due beyond are left out.
	Flood bool
}

// A drilled is what came of it.
type drilled struct {
	drill.Latency
	PerSecond float64       // answered
	Late      time.Duration // the drill's own p99
	NotSent   int64         // there was no room for: too many were under way
}

// drill sends requests at a fixed rate, on kept-alive connections, from the
// load's CPU, and tells how long they took. A lost one ends the measurement.
func (b *bench) drill(p drillPlan) drilled {
	b.t.Helper()
	r, err := b.tryDrill(p)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// tryDrill is drill for other goroutines than the test's.
func (b *bench) tryDrill(p drillPlan) (r drilled, err error) {
	_, cpu, _ := cpus()
	plan, err := json.Marshal(p)
	if err != nil {
		return r, err
	}
	out, err := b.output(cpu, []string{roleEnv + "=drill", "SEGUE_BENCH_DRILL=" + string(plan)}, b.self)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(out, &r)
}

func drillRole() error {
	var p drillPlan
	if err := json.Unmarshal([]byte(os.Getenv("SEGUE_BENCH_DRILL")), &p); err != nil {
		return err
	}
	plan := drill.Plan{URL: p.URL, Rate: float64(p.Rate), Duration: p.For, Connections: p.Conns, Mix: drill.Mix{KeptAlive: 1}}
	if p.Flood {
		plan.MaxInFlight = p.Conns
	}
	r, err := drill.Run(context.Background(), plan)
	if err != nil {
		return err
	}
	if r.Lost > 0 {
		return fmt.Errorf("%d requests lost; the first: %+v", r.Lost, r.Failures[0])
	}
	return json.NewEncoder(os.Stdout).Encode(drilled{r.Latency, float64(r.OK) / r.Sending.Seconds(), r.Lateness.P99, r.NotSent})
}
