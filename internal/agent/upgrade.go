package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
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
	next, err := tryBinary(ctx, binary)
	if err != nil {
		return control.Errorf(control.CodeInvalid, "%v; nothing was changed", err)
	}
	if err := tell(fmt.Sprintf("%s is segue %s", binary, next.Version)); err != nil {
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
	r := &Replacement{Binary: binary, sockets: a.sockets}
	if next.Control {
		if r.control, err = a.control.File(); err != nil {
			return fmt.Errorf("keep the control socket: %w; the old agent goes on", err)
		}
	}
	if err := tell("the agent is replaced in its place"); err != nil {
		return err
	}
	a.end(r)
	return nil
}

// controlSocket is what the control API answers on: that of the agent whose place
// this one has taken, in which those wait who have called in between, or a new one.
func (a *Agent) controlSocket() (*net.UnixListener, error) {
	if l := a.sockets.takeControl(); l != nil {
		if _, err := os.Stat(a.socket()); err == nil {
			return l, nil
		}
		l.Close() // nobody finds it any more
	}
	return control.Listen(a.socket())
}

// Capabilities is what `segue version --json` prints: how an agent learns
// whether a binary can take its place.
type Capabilities struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	Journal int    `json:"journal"` // the newest journal format that it reads
	Control bool   `json:"control"` // it takes the control socket of the agent before it
}

// tryBinary runs a binary to see that it is a segue that works here and reads
// our journal.
func tryBinary(ctx context.Context, binary string) (c Capabilities, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("`version --json` takes longer than a minute"))
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "version", "--json")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return c, fmt.Errorf("%s does not run: %w %s", binary, err, strings.TrimSpace(complaint.String()))
	}
	if err := json.Unmarshal(out.Bytes(), &c); err != nil || c.Version == "" {
		return c, fmt.Errorf("%s is no segue: `version --json` does not tell one", binary)
	}
	if c.Journal < journal.Version {
		return c, fmt.Errorf("%s is too old: it reads journal format %d, this state folder has %d", binary, c.Journal, journal.Version)
	}
	return c, nil
}

// Replacement is the error with which Run returns when the agent is to be
// replaced in its place. Exec does that.
type Replacement struct {
	Binary  string
	sockets *sockets
	control *os.File // nil: the binary would not know what to do with it
}

func (r *Replacement) Error() string { return "the agent is to be replaced by " + r.Binary }

// Exec puts the binary in the place of this process, with the listening
// sockets. It returns only when that fails.
func (r *Replacement) Exec(args, env []string) error {
	passed, err := r.sockets.passOn(r.control)
	if err != nil {
		return err
	}
	return syscall.Exec(r.Binary, append([]string{r.Binary}, args...), append(env, passed...))
}
