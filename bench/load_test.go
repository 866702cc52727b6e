//go:build bench

package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seguehq/segue/drill"
)

// A scenario is a load. To add one is to add a line.
type scenario struct {
	name  string
	path  string
	conns int
	head  []string // request headers beside Host
}

var scenarios = []scenario{
	{"100 B, 64 connections, wrk's header", "/", 64, nil},
	{"100 B, 64 connections, a browser's header", "/", 64, browser},
	{"100 KiB, 64 connections", "/100k", 64, nil},
}

// chosen are all scenarios, or those with SEGUE_BENCH_SCENARIO in their name.
func chosen() (list []scenario) {
	for _, s := range scenarios {
		if strings.Contains(s.name, os.Getenv("SEGUE_BENCH_SCENARIO")) {
			list = append(list, s)
		}
	}
	return list
}

var browser = []string{
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
	"Accept-Language: en-US,en;q=0.5",
	"Accept-Encoding: gzip, deflate, br, zstd",
	"Referer: http://shop.example/basket?from=search&page=3",
	"Cookie: session=3f0c9a7be7d94a1c8a0a6b2f7e5d1c44; theme=dark; consent=1",
	"Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: same-origin",
	"Upgrade-Insecure-Requests: 1",
}

// A loadResult is what wrk tells.
type loadResult struct {
	Requests int64 `json:"requests"`
	Bytes    int64 `json:"bytes"`
	US       int64 `json:"us"`
	Errors   int64 `json:"errors"`
}

func (r loadResult) perSecond() float64 { return float64(r.Requests) / (float64(r.US) / 1e6) }

// wrk asks as fast as it is answered, for d. A load with errors counts for
// nothing.
func (b *bench) wrk(s scenario, addr string, d time.Duration) (r loadResult) {
	b.t.Helper()
	script, err := peerFiles.ReadFile("peers/done.lua")
	if err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(b.dir, "done.lua")
	if err := os.WriteFile(path, script, 0o600); err != nil {
		b.t.Fatal(err)
	}
	argv := []string{"wrk", "-t1", fmt.Sprint("-c", s.conns), fmt.Sprint("-d", int(d.Seconds()), "s"), "-s", path}
	for _, h := range s.head {
		argv = append(argv, "-H", h)
	}
	_, cpu, _ := cpus()
	out, err := b.output(cpu, nil, append(argv, "http://"+addr+s.path)...)
	if err != nil {
		b.t.Fatal(err)
	}
	_, line, _ := bytes.Cut(out, []byte("RESULT "))
	if err := json.Unmarshal(line, &r); err != nil {
		b.t.Fatalf("wrk: %v\n%s", err, out)
	}
	if r.Errors > 0 || r.Requests == 0 {
		b.t.Fatalf("%s: %d of %d requests went wrong\n%s", s.name, r.Errors, r.Requests, out)
	}
	return r
}

// drill sends requests at a fixed rate, on 16 kept-alive connections, from a
// process of its own, and tells how long they took.
func (b *bench) drill(addr string, rate int, d time.Duration) (l drill.Latency) {
	b.t.Helper()
	_, cpu, _ := cpus()
	plan, err := json.Marshal(drillPlan{"http://" + addr + "/", rate, d})
	if err != nil {
		b.t.Fatal(err)
	}
	out, err := b.output(cpu, []string{roleEnv + "=drill", "SEGUE_BENCH_DRILL=" + string(plan)}, b.self)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := json.Unmarshal(out, &l); err != nil {
		b.t.Fatalf("drill: %v\n%s", err, out)
	}
	return l
}

type drillPlan struct {
	URL  string
	Rate int
	For  time.Duration
}

func drillRole() error {
	var p drillPlan
	if err := json.Unmarshal([]byte(os.Getenv("SEGUE_BENCH_DRILL")), &p); err != nil {
		return err
	}
	r, err := drill.Run(context.Background(), drill.Plan{URL: p.URL, Rate: float64(p.Rate), Duration: p.For, Mix: drill.Mix{KeptAlive: 1}})
	if err != nil {
		return err
	}
	if r.Lost > 0 || r.NotSent > 0 {
		return fmt.Errorf("%d requests lost, %d not sent", r.Lost, r.NotSent)
	}
	return json.NewEncoder(os.Stdout).Encode(r.Latency)
}
