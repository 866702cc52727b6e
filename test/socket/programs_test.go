package socket_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// A program is one by others that takes a socket as systemd passes it.
type program struct {
	name   string
	need   string // Debian's packages, by the command that each brings
	file   string // its source
	source string // RELEASE in it is what it answers
	config string // lines of segue.yaml
	mix    drill.Mix

	settings string // a file of its own, where the program needs one
}

// Whether a kept-alive connection survives a stop is the program's affair: that
// is tested where it can.
var programs = []program{
	{name: "gunicorn", need: "gunicorn", file: "app.py", mix: drill.Mix{Fresh: 1},
		config: "release: { files: [app.py], command: gunicorn --workers 2 app:app }\n" +
			"env: { PYTHONDONTWRITEBYTECODE: \"1\" }\nprobes: { startup: { notify: true } }\nstop: { timeout: 35s }\n",
		source: `
def app(environ, start):
    start("200 OK", [("Content-Type", "text/plain"), ("Segue-Release", "RELEASE")])
    return [b"release RELEASE\n"]
`},
	{name: "Node", need: "node", file: "server.js", mix: drill.Mix{Fresh: 0.5, KeptAlive: 0.5},
		config: "release: { files: [server.js], command: node server.js }\n",
		source: `
const http = require('node:http')
const net = require('node:net')
let leaving = false
const server = http.createServer((req, res) => {
  if (leaving) res.setHeader('Connection', 'close')
  res.setHeader('Segue-Release', 'RELEASE')
  res.end('release RELEASE\n')
})
server.listen({ fd: 3 })
process.on('SIGTERM', () => {
  leaving = true
  // Only the listening socket; http's own close would cut idle connections.
  net.Server.prototype.close.call(server, () => process.exit(0))
  setTimeout(() => server.closeIdleConnections(), 2000)
})
`},
	// Without queue_requests: false, Puma hangs up at its end on clients that it
	// has accepted and not yet read from.
	{name: "Puma", need: "puma", file: "config.ru", mix: drill.Mix{Fresh: 1}, settings: "queue_requests false\n",
		config: "release: { files: [config.ru, settings], command: puma --config settings --environment production --threads 4:16 --bind-to-activated-sockets only config.ru }\n",
		source: `
run lambda { |env| [200, { 'content-type' => 'text/plain', 'segue-release' => 'RELEASE' }, ["release RELEASE\n"]] }
`},
}

// TestPrograms replaces programs by others, which know nothing of Segue, back to
// back, and more often in a soak.
func TestPrograms(t *testing.T) {
	t.Parallel()
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			if out, err := exec.Command(filepath.Join(harness.Root(), "scripts", "need"), p.need).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			w := harness.New(t)
			p.write(w, 1)
			w.Agent()
			w.Must(0, "deploy")
			d := w.Drill(100, func(plan *drill.Plan) { plan.Mix = p.mix })
			deploys := 3
			if harness.Soak() {
				deploys = 6
			}
			for n := 2; n <= deploys; n++ {
				p.write(w, n)
				w.Must(0, "deploy")
				d.More(20)
			}
			w.Must(0, "rollback")
			d.More(20)
			r := d.None()
			if len(r.Releases) < deploys {
				t.Errorf("only releases %v answered", r.Releases)
			}
		})
	}
}

func (p program) write(w *harness.World, release int) {
	w.T.Helper()
	w.Write(p.file, strings.ReplaceAll(p.source, "RELEASE", fmt.Sprint(release)))
	if p.settings != "" {
		w.Write("settings", p.settings)
	}
	w.Write("segue.yaml", fmt.Sprintf("service: web\nlisten: 127.0.0.1:%d\nvia: socket\nreplicas: 2\n%s", w.Port, p.config))
}
