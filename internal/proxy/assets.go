package proxy

import (
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// How long browsers may keep a file of an old release: for ever when its name
// changes with what is in it.
const (
	assetNamed = "public, max-age=31536000, immutable"
	assetShort = "public, max-age=60"
)

// assetsFor gives what may hold a file that a request asks for, and the file's
// name there.
func (t *target) assetsFor(method, path string) (dirs []AssetDir, name string) {
	if t.cfg.Skew == nil || method != http.MethodGet && method != http.MethodHead {
		return nil, ""
	}
	for i := range t.cfg.Skew.Assets {
		a := &t.cfg.Skew.Assets[i]
		if name, ok := strings.CutPrefix(path, a.Path); ok && name != "" {
			return a.Dirs, name
		}
	}
	return nil, ""
}

// asset is a file of a release that is kept.
type asset struct {
	AssetDir
	name string
	file *os.File
	info fs.FileInfo
}

// findAsset looks for what an instance does not have; nil when nobody has it.
func (x *exchange) findAsset(status int) *asset {
	if status != http.StatusNotFound {
		return nil
	}
	dirs, name := x.target.assetsFor(x.r.Method, x.r.URL.Path)
	for _, d := range dirs {
		if f, info := openAsset(d.Dir, name); f != nil {
			return &asset{d, name, f, info}
		}
	}
	return nil
}

// openAsset opens a regular file within a folder; os.Root lets no name and no
// link out of it.
func openAsset(dir, name string) (*os.File, fs.FileInfo) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // or a pipe would make us wait
	if err != nil {
		return nil, nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, nil
	}
	return f, info
}

// serveAsset gives the file in place of the instance's answer.
func (x *exchange) serveAsset(a *asset) {
	defer a.file.Close()
	x.flight.leave()                // nothing is asked of the instance any more
	x.answered(http.StatusNotFound) // that is what the instance did
	x.status = 0
	h := x.w.Header()
	clear(h)
	h.Set(releaseName, a.Release)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Etag", tagOf(a.Dir, a.name, strconv.FormatInt(a.info.Size(), 10), a.info.ModTime().String()))
	h.Set("Cache-Control", assetShort)
	if isHashed(path.Base(a.name)) {
		h.Set("Cache-Control", assetNamed)
	}
	http.ServeContent(&ownWriter{x.w, x}, x.r, a.name, a.info.ModTime(), a.file)
}

// isHashed tells whether a part of a file's name looks like a digest of what is in
// it, as bundlers write it: eight letters and digits, or more, with some of both.
func isHashed(name string) bool {
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '.' || r == '-' || r == '_' }) {
		letters, digits := 0, 0
		for _, c := range part {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
				letters++
			case '0' <= c && c <= '9':
				digits++
			}
		}
		if letters > 0 && digits > 0 && letters+digits >= 8 && letters+digits == len(part) {
			return true
		}
	}
	return false
}
