package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const kubernetesVersion = "v1.34.4" // go.mod's; a test holds both together

// module is the folder of this module, and root that of the repository.
func module() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

func root() string { return filepath.Join(module(), "..", "..", "..") }

// binaries is the folder of what is built of the module as it is now.
func binaries() (string, error) {
	dir, err := cache()
	if err != nil {
		return "", err
	}
	key, err := contentKey()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "bin-"+key), nil
}

// contentKey is a hash of everything that the binaries are made of.
func contentKey() (string, error) {
	names := []string{filepath.Join(module(), "go.mod"), filepath.Join(module(), "go.sum")}
	for _, dir := range []string{filepath.Join(module(), "cmd", "hyper"), filepath.Join(module(), "cmd", "pause"), filepath.Join(root(), "test", "kubernetes", "registry")} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			return "", err
		}
		names = append(names, files...)
	}
	slices.Sort(names)
	h := sha256.New()
	io.WriteString(h, runtime.Version())
	sums, err := os.ReadFile(filepath.Join(root(), "go.sum"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(sums)) { // what the registry is made of; the rest changes often
		if strings.HasPrefix(line, "github.com/google/go-containerregistry ") {
			io.WriteString(h, line)
		}
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n%s", filepath.Base(name), len(data), data)
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

// build installs what the lab needs of Debian's, and builds what it is made of, if
// that is not there yet: once for all labs.
func build(ctx context.Context) error {
	need := exec.CommandContext(ctx, filepath.Join(root(), "scripts", "need"), "containerd", "runc", "ip", "iptables", "conntrack", "--", "containernetworking-plugins")
	need.Stdout, need.Stderr = os.Stdout, os.Stderr
	if err := need.Run(); err != nil {
		return fmt.Errorf("scripts/need: %w", err)
	}
	_, err := binary(ctx, "hyper")
	return err
}

// once has a folder made, unless it is there: whole or not at all, and by one
// process, whoever else wants it.
func once(bin, what string, make func(to string) error) error {
	if err := os.MkdirAll(filepath.Dir(bin), 0o755); err != nil {
		return err
	}
	unlock, err := lockFile(filepath.Join(filepath.Dir(bin), "build.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(bin); err == nil {
		now := time.Now()
		return os.Chtimes(bin, now, now) // it is in use: forget keeps it
	}
	fmt.Fprintf(os.Stderr, "building %s once, which takes minutes on a machine that has never done it\n", what)
	begun := time.Now()
	temp := bin + ".new"
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	if err := make(temp); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "built after %.0f s\n", time.Since(begun).Seconds())
	return errors.Join(os.Rename(temp, bin), forget(filepath.Dir(bin)))
}

// compile makes the binaries. Static, as pods have no libraries; without debug
// information, which nobody would use.
func compile(ctx context.Context, to string) error {
	const version = "k8s.io/component-base/version."
	flags := "-s -w -X " + version + "gitVersion=" + kubernetesVersion
	for name, part := range map[string]int{"gitMajor": 0, "gitMinor": 1} {
		flags += " -X " + version + name + "=" + strings.Split(kubernetesVersion[1:], ".")[part]
	}
	for _, c := range []struct{ dir, name, pkg string }{
		{module(), "pause", "./cmd/pause"},
		{root(), "registry", "./test/kubernetes/registry"},
		{module(), "hyper", "./cmd/hyper"},
	} {
		if err := goBuild(ctx, c.dir, filepath.Join(to, c.name), c.pkg, flags); err != nil {
			return err
		}
	}
	return archive("lab.local/pause:1", filepath.Join(to, "pause"), filepath.Join(to, "pause.tar"))
}

func goBuild(ctx context.Context, dir, to, pkg, flags string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags="+flags, "-o", to, pkg)
	cmd.Dir = dir
	// The compiler's garbage is collected less often: that is memory for time.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOGC=400")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s in %s: %w\n%s", pkg, dir, err, out)
	}
	return nil
}

// forget removes binaries that nobody has asked for in a week.
func forget(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "bin-*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > 7*24*time.Hour {
			if err := os.RemoveAll(name); err != nil {
				return err
			}
		}
	}
	return nil
}
