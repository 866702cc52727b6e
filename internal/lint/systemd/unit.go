package systemd

import (
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// A Unit is a service or a socket with its drop-ins.
type Unit struct {
	*lint.Object      // the unit's own file; of a unit whose own file was not read, a drop-in
	Whole        bool // its own file was read: what is not set there is not set

	Running lint.Running // what its ExecStart starts
	Socket  *Unit        // of a service: the socket that was read with it, or nil

	layers []*lint.Object
	env    map[string]string
}

// Template reports whether several are made of it: web@.service.
func (u *Unit) Template() bool { return strings.Contains(u.Name, "@") }

// Type is the service's, with its default.
func (u *Unit) Type() string {
	switch t := u.service("Type").value; {
	case t != "":
		return t
	case u.service("BusName").value != "":
		return "dbus"
	case len(u.all("Service", "ExecStart")) == 0:
		return "oneshot"
	}
	return "simple"
}

// Notifies reports whether systemd waits for the service to say that it is ready.
func (u *Unit) Notifies() bool { return strings.HasPrefix(u.Type(), "notify") }

// Lasts reports whether it is a service that goes on running.
func (u *Unit) Lasts() bool {
	t := u.Type()
	return u.Whole && t != "oneshot" && t != "dbus" && t != "idle"
}

// Role is what the service is for, as far as its program tells.
func (u *Unit) Role() lint.Role {
	if u.Running.Program == nil {
		return lint.Unsure
	}
	return u.Running.Program.Role
}

// Edge reports whether it stands before other services.
func (u *Unit) Edge() bool { return u.Role() == lint.Proxy || u.Role() == lint.Web }

// asksToListen is what a flag or a word looks like that tells of a port to listen
// on.
var asksToListen = lint.Pattern(`^(--?([a-z.-]*[.-])?(port|listen|bind|addr|address|http|listen-addr|listen-address)(=.*)?` +
	`|(0\.0\.0\.0|127\.0\.0\.1|\[::\]|\*)?:[0-9]+|tcp:.*|unix:.*)$`)

// Serves reports whether it is evident that it answers requests.
func (u *Unit) Serves() bool {
	switch {
	case !u.Lasts() || u.Role() == lint.Store || u.ofSystemd():
		return false
	case u.Socket != nil, u.Role() == lint.App, u.Edge():
		return true
	}
	for _, name := range []string{"PORT", "HTTP_PORT", "LISTEN", "LISTEN_ADDR", "BIND", "SERVER_PORT"} {
		if u.env[name] != "" {
			return true
		}
	}
	return slices.ContainsFunc(u.Running.Args, asksToListen().MatchString)
}

// MayServe reports whether it looks like a server: it serves, or it wants the
// network and is started at boot.
func (u *Unit) MayServe() bool {
	if u.Serves() {
		return true
	}
	return u.Lasts() && u.Role() != lint.Store && !u.ofSystemd() && u.wantsNetwork() &&
		slices.ContainsFunc(u.words("Install", "WantedBy"), func(s setting) bool { return s.value == "multi-user.target" || s.value == "default.target" })
}

// ofSystemd reports whether it is a part of systemd itself, other than its
// proxy: those answer no clients.
func (u *Unit) ofSystemd() bool {
	return strings.HasPrefix(u.Running.Name, "systemd-") && u.Running.Name != "systemd-socket-proxyd"
}

func (u *Unit) wantsNetwork() bool {
	return slices.ContainsFunc(u.words("Unit", "After"), func(s setting) bool {
		return s.value == "network.target" || s.value == "network-online.target"
	})
}

// HasSocket reports whether a socket unit holds its listening socket, as far as
// the unit itself or the files beside it tell.
func (u *Unit) HasSocket() bool {
	if u.Socket != nil {
		return true
	}
	for _, key := range []string{"Unit/Requires", "Unit/Wants", "Unit/After", "Unit/BindsTo", "Install/Also", "Service/Sockets"} {
		section, key, _ := strings.Cut(key, "/")
		for _, s := range u.words(section, key) {
			if strings.HasSuffix(s.value, ".socket") {
				return true
			}
		}
	}
	return slices.ContainsFunc(u.Running.Args, func(arg string) bool {
		return strings.Contains(arg, "fd://") || strings.Contains(arg, "fd@") || strings.HasPrefix(arg, "--fd") || arg == "systemd" || strings.HasPrefix(arg, "systemd:")
	})
}

// drain is how long its program drains, as far as that is known.
func (u *Unit) drain(facts lint.Facts) lint.Drain {
	own, _ := u.service("X-Segue-Drain").span()
	return facts.DrainOf(own, "X-Segue-Drain", u.Running)
}

// restarts reports whether it is started again when it fails.
func (u *Unit) restarts() bool {
	r := u.service("Restart").value
	return r == "always" || r == "on-failure" || r == "on-abnormal"
}

func (u *Unit) program() string {
	if u.Running.Program != nil {
		return u.Running.Program.Name
	}
	return "the program"
}
