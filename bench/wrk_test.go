//go:build bench

package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// wrk asks as fast as it is answered, for d. A load with errors counts for
// nothing.
func (b *bench) wrk(s scenario, addr string, d time.Duration) (outcome, error) {
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
	out, err := b.output(cpu, nil, append(argv, loadURL(false, addr, s.path))...)
	if err != nil {
		return outcome{}, err
	}
	var r struct{ Requests, US, Errors int64 }
	_, line, _ := bytes.Cut(out, []byte("RESULT "))
	if err := json.Unmarshal(line, &r); err != nil {
		return outcome{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	if r.Errors > 0 || r.Requests == 0 {
		return outcome{}, fmt.Errorf("wrk: %d of %d requests went wrong", r.Errors, r.Requests)
	}
	return outcome{r.Requests, time.Duration(r.US) * time.Microsecond}, nil
}
