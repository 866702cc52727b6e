package systemd

import (
	"path"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// A World is the units of one invocation, each with its drop-ins.
type World struct {
	Facts    lint.Facts
	Services []*Unit
	Sockets  []*Unit
}

func newWorld(objects []*lint.Object, facts lint.Facts) (*World, []*lint.Problem) {
	w := &World{Facts: facts}
	var added []*lint.Object
	for _, o := range objects {
		if o.Unit.DropIn {
			added = append(added, o)
		}
	}
	for _, o := range objects {
		if !o.Unit.DropIn {
			w.add(&Unit{Object: o, Whole: true, layers: append([]*lint.Object{o}, dropIns(o.Name, added)...)})
		}
	}
	w.addFragments(added)
	for _, u := range w.Services {
		u.env = u.environment()
		u.look()
		u.Socket = w.socketOf(u)
	}
	return w, nil
}

func (w *World) add(u *Unit) {
	switch path.Ext(u.Name) {
	case ".service":
		w.Services = append(w.Services, u)
	case ".socket":
		w.Sockets = append(w.Sockets, u)
	}
}

// addFragments adds the units of which only drop-ins were read.
func (w *World) addFragments(added []*lint.Object) {
	seen := map[string]bool{}
	for _, o := range added {
		if !seen[o.Name] && !w.taken(o) {
			seen[o.Name] = true
			w.add(&Unit{Object: o, layers: dropIns(o.Name, added)})
		}
	}
}

// taken reports whether a drop-in adds to a unit that was read, by its name's
// beginning or its template.
func (w *World) taken(dropIn *lint.Object) bool {
	return slices.ContainsFunc(slices.Concat(w.Services, w.Sockets), func(u *Unit) bool { return adds(dropIn.Name, u.Name) })
}

// dropIns are those of a unit, in the order in which systemd reads them.
func dropIns(name string, added []*lint.Object) []*lint.Object {
	var found []*lint.Object
	for _, o := range added {
		if adds(o.Name, name) {
			found = append(found, o)
		}
	}
	slices.SortStableFunc(found, func(a, b *lint.Object) int {
		return strings.Compare(path.Base(a.File.Name), path.Base(b.File.Name))
	})
	return found
}

// adds reports whether drop-ins of one name count for a unit: its own, those of
// its template, those of a name that it begins with up to a dash, and those of
// its type. See systemd.unit(5).
func adds(dropIn, name string) bool {
	ext := path.Ext(name)
	if dropIn == name || "."+dropIn == ext {
		return true
	}
	stem, dropExt := strings.TrimSuffix(name, ext), path.Ext(dropIn)
	dropStem := strings.TrimSuffix(dropIn, dropExt)
	if dropExt != ext {
		return false
	}
	template, _, instance := strings.Cut(stem, "@")
	return instance && dropStem == template+"@" ||
		strings.HasSuffix(dropStem, "-") && strings.HasPrefix(stem, dropStem)
}

// socketOf is the socket that starts a service: of the same name, or that names it.
func (w *World) socketOf(u *Unit) *Unit {
	stem := strings.TrimSuffix(u.Name, ".service")
	for _, s := range w.Sockets {
		of := s.get("Socket", "Service").value
		if of == u.Name || of == "" && strings.TrimSuffix(s.Name, ".socket") == stem {
			return s
		}
		if slices.ContainsFunc(u.words("Service", "Sockets"), func(x setting) bool { return x.value == s.Name }) {
			return s
		}
	}
	return nil
}

// look finds out what the service starts: with several commands, the last.
func (u *Unit) look() {
	commands := u.commands("ExecStart")
	if len(commands) > 0 {
		u.Running = lint.Look("", commands[len(commands)-1].argv, func(name string) string { return u.env[name] })
	}
}

// MayServe are the services that look like servers.
func (w *World) MayServe() []*Unit { return w.those((*Unit).MayServe) }

// Serving are the services of which it is evident that they answer requests.
func (w *World) Serving() []*Unit { return w.those((*Unit).Serves) }

// Told are the services that look like servers, and those of which only
// drop-ins are known: for rules about what is set.
func (w *World) Told() []*Unit {
	return w.those(func(u *Unit) bool { return u.MayServe() || !u.Whole })
}

func (w *World) those(are func(*Unit) bool) []*Unit {
	var found []*Unit
	for _, u := range w.Services {
		if are(u) {
			found = append(found, u)
		}
	}
	return found
}
