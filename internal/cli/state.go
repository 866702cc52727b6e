package cli

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/control"
)

// state finds the agent's folder. A project's own .segue, beside its
// segue.yaml, comes before the machine's.
func (e *env) state() string {
	if e.flags.State != "" {
		return e.flags.State
	}
	if own := e.ownState(); exists(filepath.Join(own, "lock")) {
		return own
	}
	return machineState()
}

// ownState is the project's folder, whether it exists or not.
func (e *env) ownState() string { return filepath.Join(filepath.Dir(e.flags.File), ".segue") }

// machineState is where the agent of `segue agent` keeps its things.
func machineState() string {
	if os.Geteuid() == 0 {
		return "/var/lib/segue"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "segue")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("segue-%d", os.Getuid()))
	}
	return filepath.Join(home, ".local", "state", "segue")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func socketIn(state string) string { return filepath.Join(state, "agent.sock") }

// agent is a client of the running agent.
func (e *env) agent() *control.Client { return control.NewClient(socketIn(e.state())) }

// load reads segue.yaml and shows its warnings.
func (e *env) load() (*config.File, error) {
	f, err := config.Load(e.flags.File, os.LookupEnv)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &exitError{exitUsage, fmt.Sprintf("there is no %s; write one (`segue schema` describes it, examples/ has some) or name it with --file", e.flags.File)}
	}
	if bad := (config.Errors)(nil); err != nil && !errors.As(err, &bad) {
		return nil, &exitError{exitUsage, err.Error()}
	} else if err != nil {
		return nil, err
	}
	for _, w := range f.Warnings {
		fmt.Fprintln(e.err, "warning:", w.Error())
	}
	return f, nil
}

// one finds the service that a command is about: the one named, or the only one.
func (e *env) one(name string) (string, error) {
	if name != "" {
		return name, nil
	}
	st, err := e.agent().Status(e)
	if err != nil {
		return "", err
	}
	if len(st.Services) == 1 {
		return st.Services[0].Name, nil
	}
	names := ""
	for _, s := range st.Services {
		names += " " + s.Name
	}
	if names == "" {
		return "", &exitError{exitFailed, "no service is running; `segue deploy` brings one up"}
	}
	return "", &exitError{exitUsage, "which service? Name one of:" + names}
}

// whoEnv is set by programs that deploy on somebody's behalf.
const whoEnv = "SEGUE_WHO"

// who names the person at the keyboard, for the history.
func who() string {
	if name := os.Getenv(whoEnv); name != "" {
		return name
	}
	name := os.Getenv("SUDO_USER")
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
