package process

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A Manifest sums up the files of a release.
type Manifest struct {
	Digest string `json:"digest"` // of paths, contents, executable bits and links: 64 hex digits
	Files  int    `json:"files"`  // regular files and symbolic links
	Bytes  int64  `json:"bytes"`  // of content
}

// An entry is one file, folder or link of a tree. What is not in it (owners,
// times, other mode bits) is not part of a release.
type entry struct {
	path string // slash-separated, relative, clean
	kind kind
	exec bool
	size int64
	sum  [sha256.Size]byte
	link string
}

type kind byte

const (
	folder  kind = 'd'
	regular kind = 'f'
	symlink kind = 'l'
)

// summarize orders the entries by path and digests them.
func summarize(entries []entry) Manifest {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.path, b.path) })
	var m Manifest
	h := sha256.New()
	fmt.Fprintln(h, "segue tree 1")
	for _, e := range entries {
		fmt.Fprintf(h, "%c %t %d %x %q %q\n", e.kind, e.exec, e.size, e.sum, e.path, e.link)
		if e.kind != folder {
			m.Files++
			m.Bytes += e.size
		}
	}
	m.Digest = hex.EncodeToString(h.Sum(nil))
	return m
}

func isDigest(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == sha256.Size && name == strings.ToLower(name)
}

const maxPath = 4000 // bytes; the kernel takes 4095, and the tree's own folder is part of that

// checkPath accepts the name of an entry: relative, clean, and not the tree itself.
func checkPath(p string) error {
	if !fs.ValidPath(p) || p == "." || strings.ContainsRune(p, 0) || len(p) > maxPath {
		return fmt.Errorf("%.200q is not a path inside a release", p)
	}
	return nil
}

// checkLink accepts a symbolic link that leads to somewhere inside the tree,
// whatever other links lie on its way: ".." may come only at its start, where
// it climbs from real folders.
func checkLink(p, target string) error {
	rest, up := target, 0
	for rest == ".." || strings.HasPrefix(rest, "../") {
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, ".."), "/")
		up++
	}
	inside := target != "" && !path.IsAbs(target) && !strings.ContainsRune(target, 0) && len(target) <= maxPath
	inside = inside && up <= strings.Count(p, "/") && !slices.Contains(strings.Split(rest, "/"), "..")
	if !inside {
		return fmt.Errorf("symbolic link %q leads to %.200q: in a release, links must be relative and stay inside", p, target)
	}
	return nil
}
