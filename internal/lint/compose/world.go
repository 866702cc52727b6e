package compose

import (
	"path"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// A World is the compose files of one invocation.
type World struct {
	Facts    lint.Facts
	Services []*Service // those that are whole: with an image, or how to build one

	near      map[*lint.Object]map[string]*Service
	files     map[string]*lint.Object         // by their paths
	overrides map[*lint.Object][]*lint.Object // the override files of a file
}

// Served are the services that answer requests.
func (w *World) Served() []*Service {
	var found []*Service
	for _, s := range w.Services {
		if s.Serves() {
			found = append(found, s)
		}
	}
	return found
}

// Stacked are the services that Swarm replaces and that answer requests.
func (w *World) Stacked() []*Service {
	var found []*Service
	for _, s := range w.Served() {
		if s.Stack {
			found = append(found, s)
		}
	}
	return found
}

// Near is the service of a name in the same file as another, or nil.
func (w *World) Near(s *Service, name string) *Service {
	return w.near[s.file][name]
}

func newWorld(objects []*lint.Object, facts lint.Facts) (*World, []*lint.Problem) {
	w := &World{Facts: facts, near: map[*lint.Object]map[string]*Service{}, files: map[string]*lint.Object{}, overrides: map[*lint.Object][]*lint.Object{}}
	for _, file := range objects {
		w.files[path.Clean(file.File.Name)] = file
	}
	for _, file := range objects {
		if base := w.baseOf(file); base != nil {
			w.overrides[base] = append(w.overrides[base], file)
		}
	}
	var problems []*lint.Problem
	for _, file := range objects {
		if w.baseOf(file) != nil {
			continue
		}
		stack := isStack(file)
		first := len(w.Services)
		w.near[file] = map[string]*Service{}
		for _, name := range file.Keys("services") {
			s := &Service{Key: name, file: file}
			if p := w.read(s, file, name); p != nil {
				problems = append(problems, p)
				continue
			}
			s.look()
			stack = stack || s.forSwarm()
			if s.whole() {
				w.Services = append(w.Services, s)
				w.near[file][name] = s
			}
		}
		for _, s := range w.Services[first:] {
			s.Stack = stack
			w.markBehind(s)
		}
	}
	return w, problems
}

// isStack reports whether a file is for Swarm by its name or its networks.
func isStack(file *lint.Object) bool {
	name := path.Base(file.File.Name)
	if strings.Contains(name, "stack") || strings.Contains(name, "swarm") {
		return true
	}
	for _, network := range file.Keys("networks") {
		if file.Text("networks", network, "driver") == "overlay" {
			return true
		}
	}
	return false
}

// read fills a service from what it extends, its file, and the override files
// of that, in this order.
func (w *World) read(s *Service, file *lint.Object, name string) *lint.Problem {
	const depth = 8
	layers := w.layers(file, name, depth)
	for _, override := range w.overrides[file] {
		if override.Find("services", name) != nil {
			layers = append(layers, w.layers(override, name, depth)...)
		}
	}
	s.layers = layers
	for _, layer := range layers {
		if layer.File == file.File {
			s.Object = layer
		}
		if p := layer.Decode(s); p != nil {
			return p
		}
	}
	return nil
}

// layers are a service and what it extends, the farthest first.
func (w *World) layers(file *lint.Object, name string, depth int) []*lint.Object {
	o := file.Part("service "+name, "services", name)
	if o == nil || depth == 0 {
		return nil
	}
	var from extends
	_ = o.DecodeAt(&from, "extends")
	if from.Service == "" {
		return []*lint.Object{o}
	}
	base := file
	if from.File != "" {
		base = w.beside(file, string(from.File))
	}
	if base == nil {
		return []*lint.Object{o}
	}
	return append(w.layers(base, string(from.Service), depth-1), o)
}

// beside is the compose file of a name relative to another, if it was read too.
func (w *World) beside(file *lint.Object, name string) *lint.Object {
	return w.files[path.Join(path.Dir(file.File.Name), name)]
}

// baseOf is the file that an override file (compose.override.yaml) adds to.
func (w *World) baseOf(file *lint.Object) *lint.Object {
	stem, _, found := strings.Cut(path.Base(file.File.Name), ".override.")
	if !found {
		return nil
	}
	for _, ext := range []string{".yaml", ".yml"} {
		if base := w.beside(file, stem+ext); base != nil && base != file {
			return base
		}
	}
	return nil
}

// whole reports whether there is enough of it to be judged: a fragment, meant to
// be merged with a file that was not read, is not.
func (s *Service) whole() bool { return s.Image != "" || s.Build.set }

// forSwarm reports whether it holds what only Swarm looks at.
func (s *Service) forSwarm() bool {
	for _, key := range []string{"update_config", "rollback_config", "endpoint_mode", "mode", "placement", "labels"} {
		if s.Has("deploy", key) {
			return true
		}
	}
	return false
}

// markBehind marks what a proxy waits for: it answers the proxy's requests.
func (w *World) markBehind(proxy *Service) {
	if !proxy.Edge() {
		return
	}
	for name := range proxy.DependsOn {
		if s := w.Near(proxy, name); s != nil {
			s.behind = true
		}
	}
}
