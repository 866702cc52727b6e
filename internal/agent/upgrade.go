package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/journal"
)

// Upgrade implements control.Agent. The proxy is replaced like any service:
// the new one accepts before the old one drains. Then the agent puts the new
// binary in its own place by exec: its pid, and with it its children, stay. A
// rollout that is under way goes on after that.
func (a *Agent) Upgrade(ctx context.Context, q control.UpgradeRequest, tell func(string) error) error {
	binary := q.Binary
	if binary == "" {
		binary = a.o.Binary
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	version, err := tryBinary(ctx, binary)
	if err != nil {
		return control.Errorf(control.CodeInvalid, "%v; nothing was changed", err)
	}
	if err := tell(fmt.Sprintf("%s is segue %s", binary, version)); err != nil {
		return err
	}
	if old := a.proxy.now(); old != nil {
		if err := a.proxy.replace(a.living, binary); err != nil {
			return fmt.Errorf("%w; the old proxy goes on", err)
		}
		if err := tell(fmt.Sprintf("proxy %d is replaced by %d and drains", old.proc.PID(), a.proxy.now().proc.PID())); err != nil {
			return err
		}
	}
	if err := tell("the agent is replaced in its place"); err != nil {
		return err
	}
	a.end(&Replacement{binary, a.sockets})
	return nil
}

// Capabilities is what `segue version --json` prints: how an agent learns
// whether a binary can take its place.
type Capabilities struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	Journal int    `json:"journal"` // the newest journal format that it reads
}

// tryBinary runs a binary to see that it is a segue that works here and reads
// our journal.
func tryBinary(ctx context.Context, binary string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "version", "--json")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s does not run: %w %s", binary, err, strings.TrimSpace(complaint.String()))
	}
	var c Capabilities
	if err := json.Unmarshal(out.Bytes(), &c); err != nil || c.Version == "" {
		return "", fmt.Errorf("%s is no segue: `version --json` does not tell one", binary)
	}
	if c.Journal < journal.Version {
		return "", fmt.Errorf("%s is too old: it reads journal format %d, this state folder has %d", binary, c.Journal, journal.Version)
	}
	return c.Version, nil
}

// Replacement is the error with which Run returns when the agent is to be
// replaced in its place. Exec does that.
type Replacement struct {
	Binary  string
	sockets *sockets
}

func (r *Replacement) Error() string { return "the agent is to be replaced by " + r.Binary }

// Exec puts the binary in the place of this process, with the listening
// sockets. It returns only when that fails.
func (r *Replacement) Exec(args, env []string) error {
	passed, err := r.sockets.passOn()
	if err != nil {
		return err
	}
	return syscall.Exec(r.Binary, append([]string{r.Binary}, args...), append(env, passed...))
}
