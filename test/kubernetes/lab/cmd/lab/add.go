package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// add builds additions and has the cluster run them: the program becomes the
// image 10.99.0.1:5000/lab/NAME:1, then NAME.yaml is applied and its Deployments
// are waited for.
func (l *Lab) add(ctx context.Context, names []string) error {
	if !l.alive() || len(names) == 0 {
		return errUsage
	}
	for _, name := range names {
		if err := l.addOne(ctx, filepath.Base(name)); err != nil {
			return fmt.Errorf("add %s: %w", name, err)
		}
	}
	return nil
}

func (l *Lab) addOne(ctx context.Context, name string) error {
	program, err := addition(ctx, name)
	if err != nil {
		return err
	}
	image := l.file("add-" + name + ".tar")
	if err := archive(registryAddress+"/lab/"+name+":1", program, image); err != nil {
		return err
	}
	if err := l.importImages(ctx, []string{image}); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", filepath.Join(module(), "add", name, name+".yaml")},
		{"wait", "--for=condition=Available", "--timeout=120s", "--all-namespaces", "--all", "deployment"},
	} {
		if err := l.kubectl(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// addition builds the one tool of the module add/NAME, once for what its go.mod
// says, and returns its file.
func addition(ctx context.Context, name string) (string, error) {
	dir := filepath.Join(module(), "add", name)
	key := sha256.New()
	io.WriteString(key, runtime.Version())
	for _, file := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return "", fmt.Errorf("there is no such addition: %w", err)
		}
		key.Write(data)
	}
	all, err := cache()
	if err != nil {
		return "", err
	}
	// bin- has forget remove it when nobody asks for it any more.
	bin := filepath.Join(all, "bin-"+name+"-"+hex.EncodeToString(key.Sum(nil))[:12])
	return filepath.Join(bin, name), once(bin, name, func(to string) error {
		return goBuild(ctx, dir, filepath.Join(to, name), "tool", "-s -w")
	})
}

// binary is the file of a program: an addition, or one of what labs are made of.
func binary(ctx context.Context, name string) (string, error) {
	if _, err := os.Stat(filepath.Join(module(), "add", name)); err == nil {
		return addition(ctx, name)
	}
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	return filepath.Join(bin, name), once(bin, "Kubernetes "+kubernetesVersion, func(to string) error { return compile(ctx, to) })
}

// kubectl runs kubectl in the lab's network, beside this process.
func (l *Lab) kubectl(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{"kubectl"}, args...)...)
	cmd.Env = append(os.Environ(), "SEGUE_LAB="+l.Dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
