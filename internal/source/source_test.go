package source

import (
	"context"
	"errors"
	"io/fs"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func runGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=ann", "GIT_AUTHOR_EMAIL=ann@example.com",
		"GIT_COMMITTER_NAME=ann", "GIT_COMMITTER_EMAIL=ann@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func put(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// shop makes a repository with two commits on main.
func shop(t *testing.T) (dir, hash string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "shop")
	put(t, filepath.Join(dir, "old"), "removed later", 0o600)
	runGit(t, dir, "init", "-q", "-b", "main")
	runGit(t, dir, "add", "-A")
	runGit(t, dir, "commit", "-qm", "first")
	if err := os.Remove(filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "bin", "run"), "#!/bin/sh", 0o755)
	put(t, filepath.Join(dir, "a b", "ü.txt"), "text", 0o644)
	put(t, filepath.Join(dir, "large"), strings.Repeat("0123456789abcdef", 3<<16), 0o644)
	if err := os.Symlink("bin/run", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	runGit(t, dir, "add", "-A")
	runGit(t, dir, "commit", "-qm", "second\n\nand why")
	return dir, runGit(t, dir, "rev-parse", "HEAD")
}

// served is the same repository by HTTP, behind git's own server.
func served(t *testing.T, dir string) string {
	t.Helper()
	backend := filepath.Join(runGit(t, dir, "--exec-path"), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		t.Skip("git has no http-backend here")
	}
	s := httptest.NewServer(&cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(dir), "GIT_HTTP_EXPORT_ALL=1"}})
	t.Cleanup(s.Close)
	return s.URL + "/" + filepath.Base(dir) + "/.git"
}

func TestExport(t *testing.T) {
	dir, hash := shop(t)
	for name, repo := range map[string]string{"a path": dir, "a bare one": filepath.Join(dir, ".git"), "http": served(t, dir)} {
		t.Run(name, func(t *testing.T) {
			b := Branch{Repo: repo, Name: "main"}
			if got, err := b.Head(t.Context()); err != nil || got != hash {
				t.Fatalf("head %s, %v; want %s", got, err, hash)
			}
			to := filepath.Join(t.TempDir(), "tree")
			c, err := b.Export(t.Context(), filepath.Join(t.TempDir(), "scratch"), to)
			if err != nil || c != (Commit{hash, "second"}) {
				t.Fatalf("%+v, %v", c, err)
			}
			if out, err := exec.Command("diff", "-r", "--exclude=.git", dir, to).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			info, err := os.Stat(filepath.Join(to, "bin", "run"))
			if err != nil || info.Mode()&0o111 == 0 {
				t.Errorf("the program is not executable: %v, %v", info, err)
			}
			if target, err := os.Readlink(filepath.Join(to, "link")); target != "bin/run" {
				t.Errorf("link to %q, %v", target, err)
			}
			if _, err := (Branch{Repo: repo, Name: "develop"}).Head(t.Context()); !errors.Is(err, ErrNoBranch) {
				t.Errorf("no such branch: %v", err)
			}
			if _, err := (Branch{Repo: repo, Name: "develop"}).Export(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "x")); !errors.Is(err, ErrNoBranch) {
				t.Errorf("export of no such branch: %v", err)
			}
		})
	}
}

// TestHostileLink: a file behind a link that leads out of the folder is written
// nowhere.
func TestHostileLink(t *testing.T) {
	dir, _ := shop(t)
	outside := t.TempDir()
	blob := func(text string) string {
		put(t, filepath.Join(dir, ".git", "blob"), text, 0o600)
		return runGit(t, dir, "hash-object", "-w", ".git/blob")
	}
	// A tree with both a link "out" and a folder "out": no git makes one, anybody can.
	inner := treeOf(t, dir, "100644 blob "+blob("harm")+"\tfile\n")
	tree := treeOf(t, dir, "120000 blob "+blob(outside)+"\tout\n040000 tree "+inner+"\tout\n")
	runGit(t, dir, "update-ref", "refs/heads/evil", runGit(t, dir, "commit-tree", tree, "-m", "evil"))
	_, err := Branch{Repo: dir, Name: "evil"}.Export(t.Context(), "", filepath.Join(t.TempDir(), "tree"))
	if err == nil {
		t.Error("it was exported")
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("written outside: %v", left)
	}
}

func treeOf(t *testing.T, dir, entries string) string {
	t.Helper()
	cmd := exec.Command("git", "mktree")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(entries)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestTrouble(t *testing.T) {
	_, err := Branch{Repo: "https://ann:hunter2@127.0.0.1:1/shop.git", Name: "main"}.Head(t.Context())
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "https://127.0.0.1:1/shop.git") {
		t.Errorf("nobody answers: %v", err)
	}
	if _, err := (Branch{Repo: t.TempDir(), Name: "main"}).Head(t.Context()); err == nil {
		t.Error("an empty folder is a repository")
	}
	if _, err := (Branch{Repo: "/nowhere", Name: "main"}).Head(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir, _ := shop(t)
	if _, err := (Branch{Repo: dir, Name: "main"}).Export(ctx, "", filepath.Join(t.TempDir(), "x")); !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
	if _, err := (Branch{Repo: "ssh://git@127.0.0.1:1/shop.git", Name: "main", Key: "/nowhere"}).Head(t.Context()); err == nil || !strings.Contains(err.Error(), "ssh key /nowhere") {
		t.Errorf("no key: %v", err)
	}
}

func TestShown(t *testing.T) {
	for repo, want := range map[string]string{
		"/srv/shop.git":                     "/srv/shop.git",
		"git@example.com:shop.git":          "git@example.com:shop.git",
		"https://x:secret@example.com/shop": "https://example.com/shop",
	} {
		if got := Shown(repo); got != want {
			t.Errorf("%s is shown as %s", repo, got)
		}
	}
}
