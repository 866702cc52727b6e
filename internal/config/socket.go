package config

import (
	"strings"

	"github.com/seguehq/segue/internal/deploy"
)

// via is how requests reach the instances; nothing for a worker.
func (s scope) via(set *settings, worker bool) deploy.Via {
	switch {
	case worker:
		return ""
	case set.Via == text(deploy.ViaSocket):
		return deploy.ViaSocket
	}
	return deploy.ViaProxy
}

// checkProxied refuses what only makes sense for an inherited socket.
func (s scope) checkProxied() {
	if s.has("socket") {
		s.fail("socket", "the instances of this service inherit no socket: the proxy forwards to them", "take it out, or write via: socket")
	}
}

// checkSocket refuses what would need a proxy, or a port for each instance.
func (s scope) checkSocket(out *deploy.Service, set *settings) {
	for _, path := range []string{"tls", "routes", "proxy"} {
		if s.has(path) {
			s.fail(path, "with via: socket there is no proxy between client and program", "take it out and let the program do this, or write via: proxy")
		}
	}
	if _, own := set.Env["PORT"]; !own {
		s.noPort(out.Command)
	}
	if s.has("drain") {
		s.warn("drain", "with via: socket the program finishes its requests by itself, once it is told to stop", "the time it may take is stop.timeout")
	}
}

// noPort refuses a command that relies on $PORT, which would stay as it is.
func (s scope) noPort(command []string) {
	for _, word := range command {
		if deploy.Expand(word, deploy.Environment{"PORT": ""}) != word && !strings.Contains(word, "$$") {
			s.fail("release.command", "with via: socket an instance has no $PORT: it accepts on descriptor 3, which it inherits", "tell the program so, such as gunicorn without --bind, uvicorn --fd 3, or write via: proxy")
			return
		}
	}
}
