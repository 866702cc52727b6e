package image

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// program is the release's own file that its command runs, relative to the
// files; "" when it is the base's, or only the cluster will know.
func (s *Spec) program() string {
	if len(s.Command) == 0 || !strings.Contains(s.Command[0], "/") || path.IsAbs(s.Command[0]) || strings.Contains(s.Command[0], "$") {
		return ""
	}
	return path.Clean(s.Command[0])
}

// platform finds out what the image is for, and refuses a program that cannot
// run in it.
func (s *Spec) platform(show func(Progress)) (*v1.Platform, error) {
	if len(s.Command) == 0 {
		return nil, errors.New("release.command is empty: an image needs a program to run")
	}
	p := &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	facts, err := s.inspect()
	if err != nil {
		return nil, err
	}
	if facts.arch != "" {
		p.Architecture = facts.arch
	}
	if s.Platform != "" {
		if p, err = v1.ParsePlatform(s.Platform); err != nil {
			return nil, fmt.Errorf("platform %q: %w; write linux/amd64 or linux/arm64", s.Platform, err)
		}
	}
	if facts.arch != "" && facts.arch != p.Architecture {
		return nil, fmt.Errorf("%s is built for %s, and the image is for %s: set GOARCH=%[3]s, or what your compiler calls it, in release.build",
			s.program(), facts.arch, p.Architecture)
	}
	return p, s.checkNodes(p.Architecture, show)
}

// checkNodes compares the image's architecture with those of the nodes.
func (s *Spec) checkNodes(arch string, show func(Progress)) error {
	others := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(s.Nodes))), func(n string) bool { return n == arch })
	switch {
	case len(others) == 0:
		return nil
	case !slices.Contains(s.Nodes, arch):
		return fmt.Errorf("the image is for %s, and every node of the cluster is %s: build for that (GOARCH=%s in release.build)",
			arch, strings.Join(others, " or "), others[0])
	}
	show(Progress{Warning: fmt.Sprintf("the image is for %s, and some nodes are %s: pods cannot run there", arch, strings.Join(others, " or "))})
	return nil
}

// facts are what a program's file tells of where it can run.
type facts struct {
	arch        string // as Go calls it; "" not known
	interpreter string // what must be there to run it; "" nothing
}

// inspect looks at the program. On nothing but the release's files it must be
// one of them, and need nothing else.
func (s *Spec) inspect() (facts, error) {
	bare := s.Base == "" || s.Base == "scratch"
	if s.program() == "" {
		if bare && !strings.Contains(s.Command[0], "$") {
			return facts{}, s.notThere()
		}
		return facts{}, nil
	}
	f, err := read(s.Dir, s.program())
	if err != nil {
		return facts{}, err
	}
	if !bare || f.interpreter == "" {
		return f, nil
	}
	if f.arch == "" {
		return f, fmt.Errorf("%s is a script for %s, and the image has nothing but the release's files: give it a base that has it (base: debian:stable-slim, for one)", s.program(), f.interpreter)
	}
	return f, fmt.Errorf("%s is linked dynamically and needs %s, and the image has nothing but the release's files: build it with CGO_ENABLED=0 (or -static), or give the image a base that has it (base: debian:stable-slim, for one)", s.program(), f.interpreter)
}

// notThere refuses a program that is to be found in a base which is not there.
func (s *Spec) notThere() error {
	mend := "give the image a base that has it (base: debian:stable-slim, for one)"
	if st, err := os.Stat(path.Join(s.Dir, s.Command[0])); err == nil && st.Mode().IsRegular() && !path.IsAbs(s.Command[0]) {
		mend = fmt.Sprintf("did you mean ./%s?", s.Command[0])
	}
	return fmt.Errorf("release.command runs %s, and the image has nothing but the release's files: %s", s.Command[0], mend)
}

// read reads what a file under dir tells of itself. Links are followed, as far
// as they stay inside.
func read(dir, file string) (facts, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return facts{}, err
	}
	defer root.Close()
	f, err := root.Open(file)
	if err != nil {
		return facts{}, fmt.Errorf("release.command: %w; does release.build make it?", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() || st.Mode()&0o111 == 0 {
		return facts{}, errors.Join(err, fmt.Errorf("release.command: %s is not an executable file (chmod +x)", file))
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return facts{interpreter: hashBang(f)}, nil // no ELF: a script, if anything
	}
	return elfFacts(e), nil
}

func hashBang(f *os.File) string {
	line, _ := bufio.NewReader(io.NewSectionReader(f, 0, 256)).ReadString('\n')
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if !strings.HasPrefix(line, "#!") || len(words) == 0 {
		return "a shell"
	}
	return words[0]
}

func elfFacts(e *elf.File) facts {
	f := facts{arch: architecture(e)}
	for _, p := range e.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		b, err := io.ReadAll(io.LimitReader(p.Open(), 4096))
		f.interpreter = strings.TrimRight(string(b), "\x00")
		if err != nil || f.interpreter == "" {
			f.interpreter = "a dynamic loader"
		}
	}
	return f
}

func architecture(e *elf.File) string {
	switch e.Machine {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_386:
		return "386"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_RISCV:
		return "riscv64"
	case elf.EM_S390:
		return "s390x"
	case elf.EM_PPC64:
		if e.ByteOrder.Uint16([]byte{1, 0}) == 1 {
			return "ppc64le"
		}
		return "ppc64"
	}
	return ""
}
