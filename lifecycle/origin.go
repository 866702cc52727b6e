package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
)

// handoverVariable tells a new process what the one that it replaces has passed
// on to it.
const handoverVariable = "LIFECYCLE_HANDOVER"

// A handover is the value of that variable.
type handover struct {
	PID     int      `json:"pid"`     // of the process that is to be replaced
	Ready   uintptr  `json:"ready"`   // where to say that we are ready
	Sockets []socket `json:"sockets"` // from firstPassed on
}

// A socket is a listening one that was inherited, or is to be.
type socket struct {
	Name string `json:"name"` // of the component that accepts on it
	// Shared is one that others have too, and accept on: systemd, Segue's agent.
	Shared bool `json:"shared"`

	file *os.File
}

// firstPassed is the first descriptor after the standard ones, which exec.Cmd
// and sd_listen_fds(3) begin with.
const firstPassed = 3

// readyWord is what a new process writes when it serves.
const readyWord = "ready\n"

// An origin is what a process was started with: by a service manager, by the
// process that it replaces, or by neither.
type origin struct {
	replaces int      // the number of the process to be replaced; 0 for none
	report   *os.File // where it waits for our word; nil otherwise
	sockets  []socket // that nobody has taken yet
}

// originOf takes what was passed on out of the environment, so that it is not
// passed on to others by accident.
func originOf() (*origin, error) {
	text := os.Getenv(handoverVariable)
	if text == "" {
		o := &origin{}
		for _, f := range activation.Files(true) {
			o.sockets = append(o.sockets, socket{Name: f.Name(), Shared: true, file: f})
		}
		return o, nil
	}
	if err := os.Unsetenv(handoverVariable); err != nil {
		return nil, err
	}
	var h handover
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return nil, fmt.Errorf("lifecycle: the variable %s, which the replaced process sets: %w", handoverVariable, err)
	}
	o := &origin{replaces: h.PID, report: passed(h.Ready, "ready")}
	for i, each := range h.Sockets {
		each.file = passed(uintptr(firstPassed+i), each.Name)
		o.sockets = append(o.sockets, each)
	}
	return o, nil
}

// assign gives each of the servers its inherited socket, if there is one: by the
// name, by the port, and what is left in order.
func (o *origin) assign(p *plan, log *slog.Logger) error {
	var servers []*server
	for _, c := range p.parts {
		if c.server != nil {
			servers = append(servers, c.server)
		}
	}
	if o.replaces != 0 {
		o.give(servers, func(s *server, in socket) bool { return in.Name == s.name && (in.Shared || s.wants(in.file)) })
		for _, in := range o.sockets {
			log.Warn("replace: this process does not listen where the one before it does", "name", in.Name, "port", portOf(in.file))
		}
		return nil
	}
	o.give(servers, func(s *server, in socket) bool { return in.Name == s.name })
	o.give(servers, func(s *server, in socket) bool { return s.port() != "" && s.wants(in.file) })
	o.give(servers, func(*server, socket) bool { return true })
	if len(o.sockets) > 0 {
		var names []string
		for _, in := range o.sockets {
			names = append(names, fmt.Sprintf("%q", in.Name))
		}
		return fmt.Errorf("lifecycle: inherited the listening sockets %s, which no server accepts on: connections to them would hang; name a server so (WithName), or do not pass them", strings.Join(names, ", "))
	}
	return nil
}

func (o *origin) give(servers []*server, fits func(*server, socket) bool) {
	for _, s := range servers {
		i := slices.IndexFunc(o.sockets, func(in socket) bool { return fits(s, in) })
		if s.inherited.file == nil && i >= 0 {
			s.inherited = o.sockets[i]
			o.sockets = slices.Delete(o.sockets, i, i+1)
		}
	}
}

// wants tells whether the server would listen on that port by itself, or on
// whichever it is given.
func (s *server) wants(f *os.File) bool {
	port := s.port()
	return port == "" || port == "0" || port == portOf(f)
}

// portOf a socket; "" if it has none.
func portOf(f *os.File) string {
	l, err := net.FileListener(f)
	if err != nil {
		return ""
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// port that the server would listen on by itself.
func (s *server) port() string {
	if s.addr == "" {
		return os.Getenv("PORT")
	}
	_, port, _ := net.SplitHostPort(s.addr)
	if n, err := net.LookupPort("tcp", port); err == nil {
		return strconv.Itoa(n)
	}
	return port
}

// reportReady tells the process that we replace, and reports whether it was told.
// If it is not there any more, we serve all the same: the sockets are ours too.
func (o *origin) reportReady(log *slog.Logger) bool {
	if o.report == nil {
		return false
	}
	_, err := io.WriteString(o.report, readyWord)
	if err = errors.Join(err, o.report.Close()); err != nil {
		log.Warn("the process that was to be replaced has gone already", "pid", o.replaces, "error", err)
	}
	o.report = nil
	return err == nil
}

// close lets go of what nobody has taken. Without our word the process that
// waits for it goes on.
func (o *origin) close() {
	if o.report != nil {
		_ = o.report.Close() // which is the word that it waits for
	}
	for _, in := range o.sockets {
		_ = in.file.Close() // nobody accepts on it
	}
}
