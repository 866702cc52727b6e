package agent

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/proxy"
	"github.com/seguehq/segue/internal/rollout"
)

// routedSkew is what the proxy does for pages of older releases; nil nothing. The
// newer settings hold as soon as their release comes.
func (s *service) routedSkew() *proxy.Skew {
	s.mu.Lock()
	defer s.mu.Unlock()
	var set *deploy.Skew
	for _, n := range s.inPlay() {
		if r := s.releases[n]; r != nil && r.Spec.Skew != nil && r.Spec.Proxied() {
			set = r.Spec.Skew
		}
	}
	if set == nil {
		return nil
	}
	current, barred := s.announced()
	out := &proxy.Skew{Stay: set.Stay, Assets: s.keptAssets(set)}
	if current != 0 {
		out.Current = strconv.Itoa(current)
	}
	if n := s.newestBreaking(current); n != 0 {
		out.Breaking = strconv.Itoa(n)
	}
	if barred != 0 {
		out.Barred = []string{strconv.Itoa(barred)}
	}
	return out
}

// announced is the release that pages are told of: the one that whoever reloads
// now gets. barred is one that none of them can ask for, as it is not out yet or
// goes away again; 0 none. s.mu is held.
func (s *service) announced() (current, barred int) {
	r, stages := s.stagesNow()
	switch {
	case r == nil && s.rollout != nil && s.rollout.Tries():
		return s.rollout.From, 0 // its plan is not known
	case r == nil || r.From == r.To:
		return s.current.Release, 0
	case r.From == 0:
		return r.To, 0
	case r.Phase == deploy.Backward:
		return r.From, r.To
	}
	switch stage := &stages[r.Stage]; {
	case !stage.Split:
		return r.From, 0
	case stage.Share == 100:
		return r.To, 0
	case stage.Share == 0:
		return r.From, r.To
	}
	return r.From, 0
}

// newestBreaking is the newest release up to one that pages of those before it
// cannot work with, of those that are kept; 0 none. s.mu is held.
func (s *service) newestBreaking(upTo int) (newest int) {
	for n, r := range s.releases {
		if r.Spec.Breaking && n <= upTo {
			newest = max(newest, n)
		}
	}
	return newest
}

// keptAssets lists the folders of all releases that are kept, the newest first.
// Where a release says nothing of a path, it is taken to have it where set says.
// s.mu is held.
func (s *service) keptAssets(set *deploy.Skew) (out []proxy.Assets) {
	numbers := slices.SortedFunc(maps.Keys(s.releases), func(a, b int) int { return b - a })
	for _, a := range set.Assets {
		x := proxy.Assets{Path: a.Path}
		for _, n := range numbers {
			r, dir := s.releases[n], a.Dir
			if own := r.Spec.Skew; own != nil {
				if i := slices.IndexFunc(own.Assets, func(o deploy.Assets) bool { return o.Path == a.Path }); i >= 0 {
					dir = own.Assets[i].Dir
				}
			}
			x.Dirs = append(x.Dirs, proxy.AssetDir{Release: strconv.Itoa(n), Dir: filepath.Join(s.a.trees.Path(r.Tree), dir)})
		}
		out = append(out, x)
	}
	return out
}

// onlyStays reports whether nothing is left of the rollout under way but to wait
// for pages of the old release, and its leaving.
func (s *service) onlyStays() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.staying()
}

// staying is onlyStays with s.mu held.
func (s *service) staying() bool {
	r, stages := s.stagesNow()
	if r == nil || r.Phase != deploy.Forward {
		return false
	}
	return slices.ContainsFunc(stages[:r.Stage+1], func(st rollout.Stage) bool { return st.Stays })
}

// endStay ends the waiting for pages of an old release, as something else is to
// be done; false says that the rollout under way is at something else.
func (s *service) endStay() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.staying() {
		return false
	}
	select {
	case s.promote <- rollout.Word{Below: s.rollout.Stage + 1, Note: deploy.PagesStay + ", ended by what comes next"}:
	default: // somebody has said so, or it is heard when the stage is entered
	}
	return true
}
