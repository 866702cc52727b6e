package check

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Target is the server to check, in one of three ways:
//
//   - Command starts it, once for each stop. All cases can be had.
//   - PID is one that runs; it is stopped once, for good. Cases that need a stop
//     of their own are skipped.
//   - URL and Stop: somewhere else (a pod, a unit, a container). Stop is run once
//     for each stop, and the server is waited for between; what can only be seen
//     of a process on this machine is skipped.
type Target struct {
	// Command and its arguments. It is told a free port in the environment
	// variable PORT; "$PORT" and "{port}" in an argument are replaced by it. A
	// server that listens elsewhere is found by its sockets.
	Command []string
	Dir     string   // working folder; "" is the caller's
	Env     []string // "NAME=value", added to the caller's environment

	PID int

	// URL is where the server answers. With Command it may contain {port}; "" is
	// http://127.0.0.1:PORT/. Its path is what most requests ask for; it should be
	// cheap. A host name is looked up for each connection.
	URL string

	Stop []string // with URL: the command that stops the server

	Signal syscall.Signal // the stop signal; 0 is SIGTERM
	Grace  time.Duration  // from the signal to SIGKILL; 0 is 10 s. Kubernetes gives 30 s, Docker 10 s, systemd 90 s
	Start  time.Duration  // how long it may take until it answers; 0 is 60 s

	Paths Paths

	// Insecure accepts any certificate. For a server on this machine that is the
	// default: the certificate is not what is checked.
	Insecure bool

	Output io.Writer // what Command writes; nil keeps the last lines, for errors
}

// Paths are requests that the server answers in special ways, as paths with
// their queries. What has none is not checked: a server cannot be asked which
// of its paths is slow.
type Paths struct {
	Slow      string // answers after a second or two, with nothing before
	Stream    string // begins to answer at once and goes on for a second or two
	Upload    string // reads the body of a POST to its end before it answers
	Ready     string // the readiness probe: 2xx while the server wants requests
	Events    string // server-sent events, endless
	WebSocket string // upgrades to WebSocket
	GRPC      string // a gRPC method that takes an empty message and answers after a second or two: "/pkg.Service/Method"
}

func (t Target) signal() syscall.Signal { return cmp.Or(t.Signal, syscall.SIGTERM) }
func (t Target) grace() time.Duration   { return cmp.Or(t.Grace, 10*time.Second) }
func (t Target) start() time.Duration   { return cmp.Or(t.Start, time.Minute) }

// once reports whether the target can be stopped a single time.
func (t Target) once() bool { return t.PID != 0 }

// local reports whether the server's processes can be seen.
func (t Target) local() bool { return len(t.Stop) == 0 }

// An InvalidError is a target or an option that makes no sense; nothing was
// started.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return "check: " + e.Reason }

func invalid(format string, args ...any) error { return &InvalidError{fmt.Sprintf(format, args...)} }

func (t Target) validate() error {
	switch {
	case len(t.Command) > 0 && t.PID != 0, len(t.Command) > 0 && len(t.Stop) > 0, t.PID != 0 && len(t.Stop) > 0:
		return invalid("a command, a PID, and a URL with a way to stop it exclude one another; give one")
	case len(t.Command) == 0 && t.PID == 0 && len(t.Stop) == 0:
		return invalid("nothing to check; give the server's command, or a PID, or a URL and a command that stops it")
	case len(t.Stop) > 0 && t.URL == "":
		return invalid("a stop command needs the URL of the server that it stops")
	case t.Grace < 0 || t.Start < 0:
		return invalid("a negative time makes no sense")
	}
	for name, path := range t.Paths.all() {
		if path != "" && !strings.HasPrefix(path, "/") {
			return invalid("the %s path %q must begin with /", name, path)
		}
	}
	_, err := t.at(1)
	return err
}

func (p Paths) all() map[string]string {
	return map[string]string{"slow": p.Slow, "stream": p.Stream, "upload": p.Upload, "ready": p.Ready, "events": p.Events, "websocket": p.WebSocket, "grpc": p.GRPC}
}

// at is where the server answers if it was told this port.
func (t Target) at(port int) (*url.URL, error) {
	raw := cmp.Or(t.URL, "http://127.0.0.1:{port}/")
	u, err := url.Parse(strings.ReplaceAll(raw, "{port}", fmt.Sprint(port)))
	if err != nil {
		return nil, invalid("the URL cannot be parsed: %v", errors.Unwrap(err)) // the parser's error repeats it, with its password
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, invalid("URL %q: want http://host[:port]/path or https://…", u.Redacted())
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	u.Path = cmp.Or(u.Path, "/")
	return u, nil
}
