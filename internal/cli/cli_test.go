package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// The codes are promised to scripts: this table is not to be changed.
func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		code int
		says string
	}{
		{"done", nil, 0, ""},
		{"any error", errors.New("it broke"), 1, "segue: it broke\n"},
		{"no agent", fmt.Errorf("%w at x", control.ErrNoAgent), 1, "segue: no agent is running at x\n"},
		{"the agent failed", control.Errorf(control.CodeFailed, "disk full"), 1, "segue: disk full\n"},
		{"busy", control.Errorf(control.CodeBusy, "web is busy"), 1, "segue: web is busy\n"},
		{"no such service", control.Errorf(control.CodeNone, "no web"), 1, "segue: no web\n"},
		{"a wrong request", control.Errorf(control.CodeInvalid, "-1 replicas"), 2, "segue: -1 replicas\n"},
		{"a wrong request, wrapped", fmt.Errorf("web: %w", control.Errorf(control.CodeInvalid, "bad")), 2, "segue: web: bad\n"},
		{"a wrong file", config.Errors{{File: "segue.yaml", Line: 3, Column: 1, What: "unknown key"}}, 2, "segue.yaml:3:1: "},
		{"rolled back", ended(deploy.RolledBack), 3, ""},
		{"deployed", ended(deploy.Done), 0, ""},
		{"outside a window", control.Errorf(control.CodeClosed, "web is closed"), 5, "segue: web is closed\n"},
		{"locked", control.Errorf(control.CodeLocked, "web is locked"), 5, "segue: web is locked\n"},
		{"lost", &exitError{exitLost, ""}, 4, ""},
		{"a code of its own", &exitError{42, "sh: exit status 42"}, 42, "segue: sh: exit status 42\n"},
		{"joined", errors.Join(&exitError{exitRolledBack, ""}, errors.New("more")), 3, ""},
	} {
		var b bytes.Buffer
		if code := report(&b, c.err); code != c.code {
			t.Errorf("%s: exit code %d, want %d", c.name, code, c.code)
		}
		if got := b.String(); !strings.HasPrefix(got, c.says) || c.says == "" && got != "" {
			t.Errorf("%s: it says %q, want %q", c.name, got, c.says)
		}
	}
}

func run(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = Main(args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func TestMainUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		says string // on either stream
	}{
		{"", 0, "Usage: segue <command>"},
		{"--help", 0, "Usage: segue <command>"},
		{"help", 0, "Usage: segue <command>"},
		{"help deploy", 0, "Usage: segue deploy"},
		{"help scale", 0, "Usage: segue scale"},
		{"deploy --help", 0, "Usage: segue deploy"},
		{"help exit-codes", 0, "requests were lost"},
		{"help nothing", 2, `no command or topic "nothing"`},
		{"frobnicate", 2, "mend: "},
		{"deploy --no-such", 2, "unknown flag --no-such"},
		{"completion tcsh", 2, "bash"},
		{"scale", 2, "mend: "},
		{"version", 0, "segue "},
		{"proxy", 2, "users do not"},
	} {
		code, out, errs := run(strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("segue %s: exit code %d, want %d with %q:\n%s%s", c.args, code, c.code, c.says, out, errs)
		}
		if strings.Contains(errs, "expected one of") && c.code == 0 {
			t.Errorf("segue %s: complains: %s", c.args, errs)
		}
	}
}

func TestState(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SEGUE_STATE", "")
	t.Setenv("XDG_STATE_HOME", "")
	e := &env{Context: context.Background(), flags: &globals{File: filepath.Join(dir, "segue.yaml")}}
	if got := e.state(); got != machineState() {
		t.Errorf("without a project: %s, want the machine's %s", got, machineState())
	}
	own := filepath.Join(dir, ".segue")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := e.state(); got != machineState() {
		t.Errorf("with a folder in which no agent ever was: %s", got)
	}
	if err := os.WriteFile(filepath.Join(own, "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := e.state(); got != own {
		t.Errorf("beside segue.yaml: %s, want %s", got, own)
	}
	e.flags.State = "/elsewhere"
	if got := e.state(); got != "/elsewhere" {
		t.Errorf("--state: %s", got)
	}
}

// An empty SEGUE_STATE is none, and not the working folder.
func TestStateEmptyVariable(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("SEGUE_STATE", "")
	if os.Geteuid() == 0 {
		if err := os.MkdirAll(filepath.Join(dir, ".segue"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".segue", "lock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("XDG_STATE_HOME", filepath.Join(dir, "xdg"))
	code, _, errs := run("status")
	if code != exitFailed || strings.Contains(errs, filepath.Join(dir, "agent.sock")) {
		t.Errorf("exit code %d: %s", code, errs)
	}
	t.Setenv("SEGUE_STATE", "relative")
	if _, _, errs := run("status"); !strings.Contains(errs, filepath.Join(dir, "relative", "agent.sock")) {
		t.Errorf("a relative folder: %s", errs)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	e := &env{Context: context.Background(), flags: &globals{}}
	for name, says := range map[string]string{"none.yaml": "there is no ", "": "is a folder"} {
		e.flags.File = filepath.Join(dir, name)
		var exit *exitError
		if _, err := e.load(); !errors.As(err, &exit) || exit.code != exitUsage || !strings.Contains(exit.message, says) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestChosen(t *testing.T) {
	f := &config.File{Services: []config.Service{{Service: deploy.Service{Name: "web"}}, {Service: deploy.Service{Name: "api"}}}}
	names := func(names ...string) string {
		s, err := chosen(f, names)
		if err != nil {
			return err.Error()
		}
		var b strings.Builder
		for _, x := range s {
			b.WriteString(x.Name + " ")
		}
		return b.String()
	}
	for got, want := range map[string]string{names(): "web api ", names("api"): "api ", names("api", "web"): "api web ", names("db"): `the file has no service "db"`} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTellEnd(t *testing.T) {
	r := deploy.Rollout{Service: "web", From: 1, To: 2, Replicas: 3, Began: at(0), Ended: at(1234)}
	for want, change := range map[string]func(*deploy.Rollout){
		"web: release 2 serves with 3 instances after 1.2s\n": func(r *deploy.Rollout) { r.Phase = deploy.Done },
		"web: release 2 serves with 1 instance after 5ms\n":   func(r *deploy.Rollout) { r.Phase, r.Replicas, r.Ended = deploy.Done, 1, at(5) },
		"web: down after 1.2s\n":                              func(r *deploy.Rollout) { r.Phase, r.Kind = deploy.Done, deploy.KindDown },
		"web: 0 instances of release 2 after 1.2s\n":          func(r *deploy.Rollout) { r.Phase, r.Kind, r.Replicas = deploy.Done, deploy.KindScale, 0 },
		"web: rolled back after 1.2s; release 1 is back\nreason: it broke; last in its log:\n    a red line\n": func(r *deploy.Rollout) {
			r.Phase, r.Reason = deploy.RolledBack, "it broke; last in its log:\n    a \x1b[31mred\x1b[0m line"
		},
		"web: rolled back after 1.2s; nothing of it is left running\nreason: no\n": func(r *deploy.Rollout) { r.Phase, r.Reason, r.From = deploy.RolledBack, "no", 0 },
	} {
		x := r
		change(&x)
		var b bytes.Buffer
		tellEnd(&b, x)
		if b.String() != want {
			t.Errorf("%q, want %q", b.String(), want)
		}
	}
}
