//go:build bench

package bench

import (
	"fmt"
	"log"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// roleEnv makes this binary one of the processes that it needs beside itself,
// so that each has a CPU, and a count of its CPU time, of its own.
const roleEnv = "SEGUE_BENCH_ROLE"

var roles = map[string]func() error{
	"upstream": upstream,
	"drill":    drillRole,
	"proxy":    profiledProxy,
}

func TestMain(m *testing.M) {
	openFiles = raiseOpenFiles()
	name := os.Getenv(roleEnv)
	if name == "" {
		harness.Main(m)
	}
	role, ok := roles[name]
	if !ok {
		log.Fatalf("bench: no role %q", name)
	}
	if err := role(); err != nil {
		log.Fatalf("bench: %s: %v", name, err)
	}
}

// How much is measured. SEGUE_BENCH=quick shows whether all works, in some
// minutes; what it prints proves nothing and is not written to README.md.
var (
	quick  = os.Getenv("SEGUE_BENCH") == "quick"
	rounds = setting("SEGUE_BENCH_ROUNDS", 3, 1)
	span   = time.Duration(setting("SEGUE_BENCH_SECONDS", 3, 1)) * time.Second
)

func setting(name string, usual, whenQuick int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	if quick {
		return whenQuick
	}
	return usual
}

// openFiles is how many descriptors each process may have.
var openFiles int

// raiseOpenFiles gives this process, and with it all that it starts, as many
// descriptors as it may have, and no more than the largest load needs.
func raiseOpenFiles() int {
	const enough = 1 << 16
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		log.Fatalf("bench: the limit of open files: %v", err)
	}
	l.Max = min(l.Max, enough) // a process that prepares for all it may have would be slow with a billion
	l.Cur = l.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		log.Fatalf("bench: the limit of open files: %v", err)
	}
	return int(l.Cur)
}

// Which CPUs the processes of one measurement get. The proxy has one of its
// own; load and upstream share one where there are only two.
func cpus() (proxy, load, upstream string) {
	switch runtime.NumCPU() {
	case 1:
		return "0", "0", "0"
	case 2:
		return "1", "0", "0"
	default:
		return "1", "0", "2"
	}
}

func pinning() string {
	p, l, u := cpus()
	return fmt.Sprintf("proxy on CPU %s, load on CPU %s, upstream on CPU %s", p, l, u)
}
