package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// badOutcomes are all that this package can come to with a failure or a warning:
// the first arguments of fail and warn, what is put into a result's Outcome, and
// the words that these names stand for.
func badOutcomes(t *testing.T) []Outcome {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	words, bad := map[string]Outcome{}, map[string]bool{}
	name := func(e ast.Expr) {
		if id, ok := e.(*ast.Ident); ok && strings.HasPrefix(id.Name, "outcome") {
			bad[id.Name] = true
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, id := range n.Names {
					if len(n.Values) <= i {
						continue
					}
					if lit, ok := n.Values[i].(*ast.BasicLit); ok && strings.HasPrefix(id.Name, "outcome") {
						word, err := strconv.Unquote(lit.Value)
						if err != nil {
							t.Fatal(err)
						}
						words[id.Name] = Outcome(word)
					}
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "fail" || f.Name == "warn") {
					name(n.Args[0])
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if sel, ok := left.(*ast.SelectorExpr); ok && sel.Sel.Name == "Outcome" && len(n.Rhs) > i {
						name(n.Rhs[i])
					}
				}
			}
			return true
		})
	}
	var all []Outcome
	for n := range bad {
		if words[n] == "" {
			t.Fatalf("%s stands for no word", n)
		}
		all = append(all, words[n])
	}
	if len(all) < 20 {
		t.Fatalf("only %d outcomes found: something is not read", len(all))
	}
	return all
}

// Whatever any case comes to, something can be done about it, and where to read
// about it is said.
func TestEveryFailureHasAMend(t *testing.T) {
	t.Parallel()
	outcomes := badOutcomes(t)
	servers := []Server{{}}
	for _, s := range mendedServers() {
		servers = append(servers, s)
	}
	for _, c := range Cases() {
		for _, o := range outcomes {
			for _, s := range servers {
				for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGQUIT} {
					m := mend(s, signal, Result{Case: c.Name, Verdict: Fail, Outcome: o})
					lines := strings.Split(m, "\n")
					if len(m) < 40 || !strings.HasPrefix(lines[len(lines)-1], "https://") || !strings.HasSuffix(strings.TrimSuffix(lines[0], "…"), ".") {
						t.Errorf("%s, %s, of %q: the mend %q is not a sentence with its page", c.Name, o, s.Name, m)
					}
				}
			}
		}
	}
}

// What passed needs no mend.
func TestNoMendForWhatPassed(t *testing.T) {
	t.Parallel()
	for _, v := range []Verdict{Pass, Skip} {
		if m := mend(Server{Name: "go", Runtime: "go"}, syscall.SIGTERM, Result{Case: "exit-idle", Verdict: v, Outcome: outcomeBySignal}); m != "" {
			t.Errorf("%s: %q", v, m)
		}
	}
}

func mendedServers() map[string]Server {
	return map[string]Server{
		"go":         {Name: "go", Runtime: "go"},
		"go coder":   {Name: "go", Runtime: "go", Uses: []string{"coder/websocket 1.8.15"}},
		"fiber":      {Name: "go", Runtime: "go", Uses: []string{"fiber 3.1.0", "fasthttp 1.73.0"}},
		"grpc":       {Name: "go", Runtime: "go", Uses: []string{"grpc 1.85.0"}},
		"caddy":      {Name: "caddy", Runtime: "go"},
		"node":       {Name: "node", Runtime: "node"},
		"terminus":   {Name: "node", Runtime: "node", Uses: []string{"express 5.1.0", "@godaddy/terminus 4.12.1"}},
		"fastify":    {Name: "node", Runtime: "node", Uses: []string{"fastify 5.0.0"}},
		"npm":        {Name: "node", Runtime: "node", Launcher: "npm"},
		"shell":      {Name: "gunicorn", Runtime: "python", Launcher: "sh"},
		"gunicorn":   {Name: "gunicorn", Runtime: "python", Model: "sync"},
		"uvicorn":    {Name: "uvicorn", Runtime: "python"},
		"hypercorn":  {Name: "hypercorn", Runtime: "python"},
		"waitress":   {Name: "waitress", Runtime: "python"},
		"daphne":     {Name: "daphne", Runtime: "python"},
		"tornado":    {Name: "tornado", Runtime: "python"},
		"aiohttp":    {Name: "aiohttp", Runtime: "python"},
		"werkzeug":   {Name: "werkzeug", Runtime: "python"},
		"uwsgi":      {Name: "uwsgi", Runtime: "python"},
		"puma":       {Name: "puma", Runtime: "ruby"},
		"cluster":    {Name: "puma", Runtime: "ruby", Model: "cluster"},
		"unicorn":    {Name: "unicorn", Runtime: "ruby"},
		"spring":     {Name: "java", Runtime: "java", Uses: []string{"spring-boot 3.4.1", "tomcat 10.1.34"}},
		"quarkus":    {Name: "java", Runtime: "java", Uses: []string{"quarkus 3.15.1"}},
		"java":       {Name: "java", Runtime: "java"},
		"nginx":      {Name: "nginx"},
		"httpd":      {Name: "httpd"},
		"haproxy":    {Name: "haproxy"},
		"lighttpd":   {Name: "lighttpd"},
		"php-fpm":    {Name: "php-fpm", Runtime: "php"},
		"php":        {Name: "php", Runtime: "php"},
		"axum":       {Name: "rust", Runtime: "rust", Uses: []string{"axum 0.7.5"}},
		"actix":      {Name: "rust", Runtime: "rust", Uses: []string{"actix-web 4.9.0"}},
		"kestrel":    {Name: "kestrel", Runtime: "dotnet"},
		"never seen": {Name: "never-seen", Runtime: "cobol"},
	}
}

// A mend speaks of what the server is made of, and of no other.
func TestMendsInTheServersOwnTerms(t *testing.T) {
	t.Parallel()
	hungUp := Result{Case: "used-at-signal", Verdict: Fail, Outcome: outcomeCut}
	cutOff := Result{Case: "in-flight-slow", Verdict: Fail, Outcome: outcomeCut}
	endless := Result{Case: "exit-kept-alive", Verdict: Fail, Outcome: outcomeWaitsForClients}
	for _, test := range []struct {
		server string
		signal syscall.Signal
		result Result
		want   string
	}{
		{"go", syscall.SIGTERM, hungUp, `w.Header().Set("Connection", "close")`},
		{"go", syscall.SIGTERM, cutOff, "srv.Shutdown(ctx)"},
		{"go coder", syscall.SIGTERM, Result{Case: "websocket-close", Verdict: Fail, Outcome: outcomeCut}, "websocket.StatusGoingAway"},
		{"fiber", syscall.SIGTERM, cutOff, "app.ShutdownWithTimeout"},
		{"grpc", syscall.SIGTERM, Result{Case: "grpc-health", Verdict: Warn, Outcome: outcomeNotTold}, "health.Shutdown()"},
		{"caddy", syscall.SIGTERM, hungUp, "shutdown_delay"},
		{"node", syscall.SIGTERM, endless, "server.close"},
		{"terminus", syscall.SIGTERM, hungUp, "beforeShutdown"},
		{"fastify", syscall.SIGTERM, Result{Case: "used-after-signal", Verdict: Fail, Outcome: outcomeRefusedClose}, "return503OnClosing: false"},
		{"npm", syscall.SIGTERM, Result{Case: "signal-reaches", Verdict: Fail, Outcome: outcomeUnreached}, `CMD ["node", "server.js"]`},
		{"shell", syscall.SIGTERM, Result{Case: "signal-reaches", Verdict: Fail, Outcome: outcomeUnreached}, "exec server"},
		{"gunicorn", syscall.SIGTERM, cutOff, "--graceful-timeout"},
		{"gunicorn", syscall.SIGQUIT, cutOff, "STOPSIGNAL SIGTERM"},
		{"gunicorn", syscall.SIGTERM, hungUp, "preStop"},
		{"uvicorn", syscall.SIGTERM, endless, "--timeout-graceful-shutdown"},
		{"waitress", syscall.SIGTERM, Result{Case: "exit-idle", Verdict: Fail, Outcome: outcomeBySignal}, "signal.SIGTERM"},
		{"cluster", syscall.SIGTERM, cutOff, "worker_shutdown_timeout"},
		{"puma", syscall.SIGTERM, cutOff, "force_shutdown_after"},
		{"unicorn", syscall.SIGTERM, cutOff, "SIGQUIT"},
		{"spring", syscall.SIGTERM, hungUp, "ContextClosedEvent"},
		{"spring", syscall.SIGTERM, Result{Case: "exit-idle", Verdict: Warn, Outcome: outcomeExitCode}, "SuccessExitStatus=143"},
		{"quarkus", syscall.SIGTERM, hungUp, "quarkus.shutdown.delay"},
		{"nginx", syscall.SIGTERM, cutOff, "STOPSIGNAL SIGQUIT"},
		{"nginx", syscall.SIGQUIT, hungUp, "preStop"},
		{"nginx", syscall.SIGQUIT, endless, "worker_shutdown_timeout"},
		{"httpd", syscall.SIGTERM, cutOff, "SIGWINCH"},
		{"haproxy", syscall.SIGTERM, cutOff, "SIGUSR1"},
		{"haproxy", syscall.SIGUSR1, hungUp, "grace 5s"},
		{"lighttpd", syscall.SIGTERM, cutOff, "SIGINT"},
		{"php-fpm", syscall.SIGQUIT, cutOff, "process_control_timeout"},
		{"axum", syscall.SIGTERM, cutOff, "with_graceful_shutdown"},
		{"actix", syscall.SIGTERM, cutOff, "shutdown_timeout"},
		{"never seen", syscall.SIGTERM, hungUp, "Connection: close"},
	} {
		m := mend(mendedServers()[test.server], test.signal, test.result)
		if !strings.Contains(m, test.want) {
			t.Errorf("%s, %s, %s: no %q in the mend %q", test.server, test.result.Case, test.result.Outcome, test.want, m)
		}
	}
}
