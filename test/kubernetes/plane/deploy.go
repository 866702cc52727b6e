package plane

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A Cost is what one command has taken.
type Cost struct {
	Calls  Calls
	Memory int64 // the process's most, in bytes
	Took   time.Duration
}

// Deploy has a segue binary deploy a service of so many pods, as a user would, in
// the namespace default, and tells what that took. Releases differ by their image.
func (p *Plane) Deploy(segue, service string, pods, release int) Cost {
	p.t.Helper()
	dir := filepath.Join(p.Dir, service)
	p.must(os.MkdirAll(dir, 0o755))
	p.must(os.WriteFile(filepath.Join(dir, "segue.yaml"), fmt.Appendf(nil, file, service, pods, release), 0o644))
	before := p.Calls()
	cmd := exec.CommandContext(p.t.Context(), segue, "deploy", service)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+p.Kubeconfig, "HOME="+p.Dir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("segue deploy %s, %d pods, release %d: %v\n%s", service, pods, release, err, ends(out.String()))
	}
	return Cost{
		Calls:  p.Calls().Less(before),
		Memory: cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10, // getrusage(2) has it in KiB
		Took:   time.Since(begun),
	}
}

// A quarter of the pods is replaced at a time: with one, as is the default, it
// would take hours where there are thousands.
const file = `services:
  %s:
    engine: kubernetes
    listen: ":8080"
    release: {command: /shop}
    replicas: %d
    strategy: {surge: 25%%}
    kubernetes: {image: "registry.example.com/shop:%d", requests: {cpu: 0.1, memory: 64MiB}}
`

// ends is the first and the last lines of much.
func ends(text string) string {
	const most = 3000
	if len(text) <= 2*most {
		return text
	}
	return text[:most] + "\n[…]\n" + text[len(text)-most:]
}
