package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// install gets what the rows need, and says of each that cannot have it why.
func install(ctx context.Context, rows []Row) map[string]error {
	why := map[string]error{}
	if need(ctx, rows...) != nil { // something cannot be had: find out whose it is
		for _, r := range rows {
			if err := need(ctx, r); err != nil {
				why[r.Name] = err
			}
		}
	}
	built := map[string]error{}
	for _, r := range rows {
		if why[r.Name] != nil || len(r.Install) == 0 {
			continue
		}
		key := r.Dir + ": " + strings.Join(r.Install, " ")
		err, done := built[key]
		if !done {
			fmt.Println(key)
			err = r.command(ctx, r.Install).run()
			built[key] = err
		}
		if err != nil {
			why[r.Name] = err
		}
	}
	return why
}

// need installs commands and Debian packages.
func need(ctx context.Context, rows ...Row) error {
	var tools, packages []string
	for _, r := range rows {
		tools = append(tools, r.Tools...)
		packages = append(packages, r.Packages...)
	}
	args := append(append(tools, "--"), packages...)
	return command{exec.CommandContext(ctx, filepath.Join(root(), "scripts", "need"), args...)}.run()
}

// A command is run for what it does or prints.
type command struct{ *exec.Cmd }

// command is one that runs in the row's folder.
func (r Row) command(ctx context.Context, args []string) command {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = r.dir()
	return command{cmd}
}

// run says with an error what the command printed last.
func (c command) run() error {
	out, err := c.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%s: %w: %s", strings.Join(c.Args, " "), err, strings.Join(lines[max(0, len(lines)-5):], "\n"))
	}
	return nil
}

// print returns the command's lines. What it says on stderr is told only with
// an error.
func (c command) print() ([]string, error) {
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(c.Args, " "), err, strings.TrimSpace(errs.String()))
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n"), nil
}
