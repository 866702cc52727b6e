package process

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// lookup finds the command as the instance would: one with a slash relative to
// dir, which is the working directory by now, any other in the PATH of env.
func lookup(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil // exec tells what is wrong with it
	}
	path := getenv(env, "PATH")
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			continue // PATH must not depend on where one stands
		}
		p := filepath.Join(d, name)
		if st, err := os.Stat(p); err == nil && !st.IsDir() && st.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	mend := fmt.Sprintf("give a path with a slash (relative to %s), or add its folder to PATH under env:", dir)
	if st, err := os.Stat(filepath.Join(dir, name)); err == nil && !st.IsDir() {
		mend = fmt.Sprintf("did you mean ./%s?", name)
	}
	return "", fmt.Errorf("command not found: %q is not in PATH (%s); %s", name, path, mend)
}

// explainExec says why the kernel would not run the file, and the mend.
func explainExec(path string, o order, err error) error {
	show := path
	if !filepath.IsAbs(path) {
		show = fmt.Sprintf("%s in %s", path, o.Dir)
	}
	say := func(format string, a ...any) error {
		return fmt.Errorf("cannot run %s: %s", show, fmt.Sprintf(format, a...))
	}
	st, serr := os.Stat(path)
	switch {
	case errors.Is(err, syscall.E2BIG):
		return say("its arguments and environment are too big for the kernel (%d variables); pass a file instead", len(o.Env))
	case errors.Is(serr, os.ErrNotExist):
		return say("no such file; is it under release.files, and does release.build make it?")
	case serr != nil:
		return say("%v", serr)
	case st.IsDir():
		return say("it is a folder; name the program in it")
	case st.Mode()&0o111 == 0:
		return say("it is not executable; chmod +x it where the release is built, or run it by its interpreter (as in \"sh %s\")", path)
	case errors.Is(err, syscall.ENOENT):
		return say("%s", missingLoader(path))
	case errors.Is(err, syscall.ENOEXEC), errors.Is(err, syscall.EINVAL):
		return say("%s", wrongFormat(path))
	case errors.Is(err, syscall.EACCES):
		return say("permission denied, though it is executable: the file system may be mounted noexec, a folder above or its interpreter closed to this user (uid %d)", os.Getuid())
	case errors.Is(err, syscall.ETXTBSY):
		return say("it is being written to; let the build finish first")
	}
	return say("%v", err)
}

// missingLoader explains that the file is there, but not what is to run it.
func missingLoader(path string) string {
	if in := shebang(path); in != "" {
		if strings.HasSuffix(in, "\r") {
			return fmt.Sprintf("its first line ends in a carriage return, so that %q is looked for; give it Unix line endings", in)
		}
		return fmt.Sprintf("its first line asks for %s, which is not on this machine; install it, or change that line", in)
	}
	if loader := elfLoader(path); loader != "" {
		return fmt.Sprintf("it needs the loader %s, which is not on this machine; it was built for another C library: link it statically or build it here", loader)
	}
	return "what it needs to run is not on this machine"
}

// shebang is the interpreter in the first line, or "".
func shebang(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	line, _ := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "#!")
	if !ok {
		return ""
	}
	in, _, _ := strings.Cut(strings.TrimLeft(rest, " \t"), " ")
	return in
}

func elfLoader(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b, _ := io.ReadAll(io.LimitReader(p.Open(), 4096))
			return string(bytes.TrimRight(b, "\x00"))
		}
	}
	return ""
}

func wrongFormat(path string) string {
	f, err := elf.Open(path)
	if err == nil {
		defer f.Close()
		arch := strings.TrimPrefix(f.Machine.String(), "EM_")
		return fmt.Sprintf("it was built for %s, and this machine is %s; build it for this one (Go: GOARCH=%s)", arch, runtime.GOARCH, runtime.GOARCH)
	}
	if st, err := os.Stat(path); err == nil && st.Size() == 0 {
		return "it is empty; did the build fail?"
	}
	return "it is neither a program of this system nor a script with a first line such as #!/bin/sh; add that, or run it by its interpreter"
}
