package config

import (
	"path"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

type skew struct {
	Stay   duration `json:"stay,omitempty" default:"10m" jsonschema:"How long one instance of the release that was replaced is kept, for pages that were loaded from it. 0s: none is; such pages get answers of the new release at once."`
	Assets []assets `json:"assets,omitempty" jsonschema:"Files that are served from all kept releases, when an instance answers 404: those that an older or newer page asks for."`
}

type assets struct {
	Path text `json:"path,omitempty" jsonschema:"Path of requests below which the files are, such as /assets/."`
	Dir  text `json:"dir,omitempty" jsonschema:"Folder in the release that holds them, relative to release.dir; release.files must have it."`
}

// skew checks what is done for pages.
func (s scope) skew(set *skew, via deploy.Via, protocol deploy.Protocol) *deploy.Skew {
	if set == nil {
		return nil
	}
	if via != deploy.ViaProxy || protocol == deploy.TCP {
		s.fail("skew", "only the proxy keeps pages with their release, and no HTTP request of this service passes it", "take it out, or give the service a listen address and via: proxy")
		return nil
	}
	return &deploy.Skew{Stay: time.Duration(set.Stay), Assets: s.assets(set.Assets)}
}

func (s scope) assets(list []assets) (out []deploy.Assets) {
	_, section := s.find("skew.assets")
	for i, a := range list {
		item := section.items[i]
		if item.kind != mapping {
			continue // reported by decode
		}
		fail := func(n *node, key, what, mend string) {
			s.r.failAt(n.line, n.col, join(s.path, "skew.assets"+key), what, mend)
		}
		_, at := item.get("path")
		_, dir := item.get("dir")
		if at == nil || dir == nil {
			fail(item, "", "a path and the folder of its files go together", "write {path: /assets/, dir: public/assets}")
			continue
		}
		if a.Path == "" || a.Dir == "" {
			continue // reported by decode
		}
		clean, bad := parsePath(string(a.Path))
		if bad != nil {
			fail(at, ".path", bad.what, bad.mend)
			continue
		}
		folder := path.Clean(string(a.Dir))
		if path.IsAbs(folder) || folder == ".." || strings.HasPrefix(folder, "../") {
			fail(dir, ".dir", "the folder is not in the release", "write it relative to release.dir, without ..")
			continue
		}
		out = append(out, deploy.Assets{Path: strings.TrimSuffix(clean, "/") + "/", Dir: folder})
	}
	return out
}
