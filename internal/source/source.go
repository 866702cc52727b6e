// Package source reads Git repositories: the newest commit of a branch, and its
// files. It writes nothing to them, and runs no program of theirs; the program
// git is not needed.
//
// What a repository holds is anybody's: a file is written nowhere but below the
// folder that was named, however it is called, and is never held in memory.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/memory"
)

// A Branch is one of a repository.
type Branch struct {
	Repo string `json:"repo"` // an absolute path, or a URL
	Name string `json:"name"` // without refs/heads/
	Key  string `json:"key"`  // file path of an SSH key; "" the user's own
}

// A Commit is what is deployed.
type Commit struct {
	Hash    string `json:"hash"`
	Subject string `json:"subject"` // first line of its message
}

// ErrNoBranch is returned when a repository answers, and has no such branch.
var ErrNoBranch = errors.New("there is no such branch")

// scpLike is git@host:path, as ssh's own tools write it.
var scpLike = regexp.MustCompile(`^[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:`)

func (b Branch) local() bool {
	return !strings.Contains(b.Repo, "://") && !scpLike.MatchString(b.Repo)
}

func (b Branch) ref() plumbing.ReferenceName { return plumbing.NewBranchReferenceName(b.Name) }

// Head returns the hash of the branch's newest commit.
func (b Branch) Head(ctx context.Context) (string, error) {
	hash, err := b.head(ctx)
	if err != nil {
		return "", b.wrap(err)
	}
	return hash.String(), nil
}

func (b Branch) head(ctx context.Context) (plumbing.Hash, error) {
	if b.local() {
		r, err := b.open()
		if err != nil {
			return plumbing.ZeroHash, err
		}
		ref, err := r.Reference(b.ref(), true)
		if errors.Is(err, plumbing.ErrReferenceNotFound) {
			return plumbing.ZeroHash, ErrNoBranch
		}
		if err != nil {
			return plumbing.ZeroHash, err
		}
		return ref.Hash(), nil
	}
	auth, err := b.auth()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	remote := git.NewRemote(memory.NewStorage(), &config.RemoteConfig{Name: "origin", URLs: []string{b.Repo}})
	refs, err := remote.ListContext(ctx, &git.ListOptions{Auth: auth})
	if err != nil {
		return plumbing.ZeroHash, err
	}
	for _, ref := range refs {
		if ref.Name() == b.ref() {
			return ref.Hash(), nil
		}
	}
	return plumbing.ZeroHash, ErrNoBranch
}

// large is the size in bytes above which an object is not read into memory.
const large = 1 << 20

func storage(dir string) *filesystem.Storage {
	return filesystem.NewStorageWithOptions(osfs.New(dir), cache.NewObjectLRUDefault(), filesystem.Options{LargeObjectThreshold: large})
}

func (b Branch) open() (*git.Repository, error) {
	dir := b.Repo
	if inside := filepath.Join(dir, ".git"); isDir(inside) {
		dir = inside
	}
	if !isDir(dir) {
		return nil, fs.ErrNotExist
	}
	return git.Open(storage(dir), nil)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Export writes the files of the branch's newest commit into dir, which it makes
// and which must be empty. Of a repository elsewhere that commit alone is
// fetched, into the folder scratch, which the caller removes.
func (b Branch) Export(ctx context.Context, scratch, dir string) (Commit, error) {
	c, err := b.export(ctx, scratch, dir)
	if err != nil {
		return c, b.wrap(err)
	}
	return c, nil
}

func (b Branch) export(ctx context.Context, scratch, dir string) (Commit, error) {
	r, err := b.fetch(ctx, scratch)
	if err != nil {
		return Commit{}, err
	}
	ref, err := r.Reference(b.ref(), true)
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return Commit{}, ErrNoBranch
	}
	if err != nil {
		return Commit{}, err
	}
	commit, err := r.CommitObject(ref.Hash())
	if err != nil {
		return Commit{}, err
	}
	subject, _, _ := strings.Cut(strings.TrimSpace(commit.Message), "\n")
	out := Commit{Hash: commit.Hash.String(), Subject: subject}
	tree, err := commit.Tree()
	if err != nil {
		return out, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return out, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return out, err
	}
	defer root.Close()
	return out, tree.Files().ForEach(func(f *object.File) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return write(root, f)
	})
}

// fetch gets the branch's newest commit here, unless it is here already.
func (b Branch) fetch(ctx context.Context, scratch string) (*git.Repository, error) {
	if b.local() {
		return b.open()
	}
	auth, err := b.auth()
	if err != nil {
		return nil, err
	}
	r, err := git.CloneContext(ctx, storage(scratch), nil, &git.CloneOptions{URL: b.Repo, Auth: auth, ReferenceName: b.ref(),
		SingleBranch: true, Depth: 1, Tags: git.NoTags, NoCheckout: true})
	if errors.Is(err, plumbing.ErrReferenceNotFound) || errors.As(err, &git.NoMatchingRefSpecError{}) {
		return nil, ErrNoBranch
	}
	return r, err
}

// write writes one file. The root keeps it from leading out of its folder, by
// dots or by a symbolic link.
func write(root *os.Root, f *object.File) error {
	if err := root.MkdirAll(path.Dir(f.Name), 0o755); err != nil {
		return err
	}
	from, err := f.Reader()
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	defer from.Close()
	if f.Mode == filemode.Symlink {
		target, err := io.ReadAll(io.LimitReader(from, 1<<16))
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		return root.Symlink(string(target), f.Name)
	}
	mode := fs.FileMode(0o644)
	if f.Mode == filemode.Executable {
		mode = 0o755
	}
	to, err := root.OpenFile(f.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// auth is what a repository is asked with. A URL's own name and password need
// nothing; with ssh, keys of the agent are tried if there is one.
func (b Branch) auth() (transport.AuthMethod, error) {
	at, err := transport.NewEndpoint(b.Repo)
	if err != nil {
		return nil, err
	}
	if at.Protocol != "ssh" {
		return nil, nil
	}
	user := at.User
	if user == "" {
		user = "git"
	}
	if b.Key != "" {
		return keyOf(user, b.Key)
	}
	if os.Getenv("SSH_AUTH_SOCK") != "" {
		return nil, nil // the library asks the agent
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		file := filepath.Join(home, ".ssh", name)
		if _, err := os.Stat(file); err == nil {
			return keyOf(user, file)
		}
	}
	return nil, fmt.Errorf("there is no ssh-agent and no key in %s; name one with source.key", filepath.Join(home, ".ssh"))
}

func keyOf(user, file string) (transport.AuthMethod, error) {
	key, err := ssh.NewPublicKeysFromFile(user, file, "")
	if err != nil {
		return nil, fmt.Errorf("ssh key %s: %w; one with a passphrase works only by ssh-agent", file, err)
	}
	return key, nil
}

// wrap says what was asked, without a password that the URL holds.
func (b Branch) wrap(err error) error {
	shown := Shown(b.Repo)
	if u, perr := url.Parse(b.Repo); perr == nil && u.User != nil {
		if secret, has := u.User.Password(); has { // an error may quote the URL
			err = errors.New(strings.ReplaceAll(strings.ReplaceAll(err.Error(), url.QueryEscape(secret), "xxxxx"), secret, "xxxxx"))
		}
	}
	return fmt.Errorf("branch %s of %s: %w", b.Name, shown, err)
}

// Shown is a repository's name for people, without a user's name and password.
func Shown(repo string) string {
	if u, err := url.Parse(repo); err == nil && u.User != nil && u.Host != "" {
		u.User = nil
		return u.String()
	}
	return repo
}
