package lint

import (
	"slices"
	"testing"
	"time"
)

func TestACommandLineTellsWhatItStarts(t *testing.T) {
	tests := []struct {
		image   string
		line    string
		program string // its name; empty: not known
		name    string
		shell   string
		manager string
	}{
		{"", "gunicorn app:app", "gunicorn", "gunicorn", "", ""},
		{"", "/srv/venv/bin/gunicorn app:app", "gunicorn", "gunicorn", "", ""},
		{"", "python3.11 -u -m uvicorn app:app", "uvicorn", "uvicorn", "", ""},
		{"", "python /usr/bin/gunicorn3 app", "gunicorn", "gunicorn3", "", ""},
		{"", "python app.py", "", "python", "", ""},
		{"", "bundle exec puma -w 2", "Puma", "puma", "", ""},
		{"", "env -i PORT=80 nice -n 5 unicorn", "Unicorn", "unicorn", "", ""},
		{"", "tini -- gunicorn app", "gunicorn", "gunicorn", "", ""},
		{"", "tini -g -p TERM -- gunicorn app", "gunicorn", "gunicorn", "", ""},
		{"", "docker-entrypoint.sh nginx -g 'daemon off;'", "nginx", "nginx", "", ""},
		{"", "wait-for-it.sh db:5432 -- gunicorn app", "gunicorn", "gunicorn", "", ""},
		{"", "gosu www-data php-fpm8.2 -F", "php-fpm", "php-fpm8.2", "", ""},
		{"", "uwsgi --http-socket :80 --module app", "uWSGI", "uwsgi", "", ""},
		{"", "uwsgi --die-on-term --module app", "uWSGI with --die-on-term", "uwsgi", "", ""},
		{"", "uwsgi --die-on-term --ini=/etc/app.ini", "uWSGI with a file", "uwsgi", "", ""},
		{"", "uwsgi --hook-master-start 'unix_signal:15 gracefully_kill_them_all'", "uWSGI with gracefully_kill_them_all", "uwsgi", "", ""},
		{"", "python3 -m waitress --listen=:80 app", "waitress", "waitress", "", ""},
		{"", "sh -c 'gunicorn app'", "gunicorn", "gunicorn", "sh", ""},
		{"", "sh -c 'exec gunicorn app'", "gunicorn", "gunicorn", "", ""},
		{"", "/bin/sh -ec 'migrate && PORT=80 gunicorn app'", "gunicorn", "gunicorn", "sh", ""},
		{"", "/bin/sh -c 'migrate && exec gunicorn app'", "gunicorn", "gunicorn", "", ""},
		{"", "bash -c 'migrate && gunicorn app'", "gunicorn", "gunicorn", "", ""},
		{"", "bash -euo pipefail -c 'gunicorn app | tee log'", "gunicorn", "gunicorn", "bash", ""},
		{"", "bash -c 'gunicorn app 2>&1 | tee log'", "gunicorn", "gunicorn", "bash", ""},
		{"", "bash -c 'gunicorn app > log'", "gunicorn", "gunicorn", "bash", ""},
		{"python:3.12-alpine", "sh -c 'gunicorn app'", "gunicorn", "gunicorn", "", ""},
		{"", "busybox sh -c 'x; node server.js'", "Node.js", "node", "", ""},
		{"", "sh run.sh", "", "", "", ""},
		{"", "npm run start", "", "", "", "npm"},
		{"", "npx serve", "", "", "", "npm"},
		{"", "sh -c 'npm start'", "", "", "sh", "npm"},
		{"", "pm2-runtime app.js", "", "", "", "pm2-runtime"},
		{"registry.example:5000/library/nginx:1.27@sha256:00", "", "nginx", "", "", ""},
		{"php:8.3-fpm-alpine", "", "php-fpm", "", "", ""},
		{"php:8.3-cli", "", "", "", "", ""},
		{"traefik:v3", "--api=true --ping", "Traefik", "--api=true", "", ""},
		{"postgis/postgis:16", "", "PostgreSQL", "", "", ""},
		{"", "", "", "", "", ""},
	}
	for _, tt := range tests {
		r := Look(tt.image, Words(tt.line), nil)
		program, manager := "", ""
		if r.Program != nil {
			program = r.Program.Name
		}
		if r.Manager != nil {
			manager = r.Manager.Name
		}
		if program != tt.program || r.Name != tt.name || r.Shell != tt.shell || manager != tt.manager {
			t.Errorf("%s %s: program %q called %q, shell %q, manager %q; want %q, %q, %q, %q",
				tt.image, tt.line, program, r.Name, r.Shell, manager, tt.program, tt.name, tt.shell, tt.manager)
		}
	}
}

func TestAnInitThatSignalsAllIsTold(t *testing.T) {
	for line, group := range map[string]bool{
		"tini -- x": false, "tini -g -- x": true, "dumb-init x": true, "dumb-init -c x": false, "dumb-init --rewrite 15:3 x": true,
	} {
		if r := Look("", Words(line), nil); r.Group != group {
			t.Errorf("%s: group is %v", line, r.Group)
		}
	}
}

func TestAProgramTellsHowLongItDrains(t *testing.T) {
	env := map[string]string{"GUNICORN_CMD_ARGS": "--graceful-timeout 50", "SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE": "25s"}
	tests := []struct {
		line string
		env  map[string]string
		want time.Duration
		why  string
	}{
		{"gunicorn app", nil, 30 * time.Second, "gunicorn's default"},
		{"gunicorn --graceful-timeout=45 app", nil, 45 * time.Second, "gunicorn's --graceful-timeout"},
		{"gunicorn app", env, 50 * time.Second, "gunicorn's --graceful-timeout"},
		{"uvicorn app", nil, 0, ""},
		{"uvicorn --timeout-graceful-shutdown 20 app", nil, 20 * time.Second, "uvicorn's --timeout-graceful-shutdown"},
		{"puma -w 0", nil, 0, ""},
		{"puma -w 2", nil, 30 * time.Second, "Puma's default"},
		{"nginx -g 'daemon off; worker_shutdown_timeout 40s;'", nil, 40 * time.Second, "nginx's worker_shutdown_timeout"},
		{"java -jar app.jar", nil, 0, ""},
		{"java -jar app.jar --spring.lifecycle.timeout-per-shutdown-phase=20s", nil, 20 * time.Second, "Java's --spring.lifecycle.timeout-per-shutdown-phase"},
		{"java -jar app.jar", env, 25 * time.Second, "Java's SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE"},
		{"traefik --entryPoints.web.transport.lifeCycle.graceTimeOut=42", nil, 42 * time.Second, "Traefik's --entrypoints.….transport.lifecycle.gracetimeout"},
		{"gunicorn --graceful-timeout ${T}", nil, 0, ""},
		{"./web", nil, 0, ""},
	}
	for _, tt := range tests {
		r := Look("", Words(tt.line), func(name string) string { return tt.env[name] })
		got := Facts{}.DrainOf(0, "", r)
		if got.Time != tt.want || tt.want > 0 && got.Why != tt.why {
			t.Errorf("%s: %v by %s; want %v by %s", tt.line, got.Time, got.Why, tt.want, tt.why)
		}
	}
}

func TestWhoSaysHowLongItDrainsFirst(t *testing.T) {
	r := Look("", []string{"gunicorn"}, nil)
	f := Facts{Drain: 7 * time.Second}
	if d := f.DrainOf(9*time.Second, "x-segue-drain", r); d.Time != 9*time.Second || d.Why != "x-segue-drain" {
		t.Errorf("the object's own word is not the first: %+v", d)
	}
	if d := f.DrainOf(0, "", r); d.Time != 7*time.Second {
		t.Errorf("--drain is not before the program's default: %+v", d)
	}
}

func TestWordsAreAsAShellSplitsThem(t *testing.T) {
	for line, want := range map[string][]string{
		`a b`:              {"a", "b"},
		`  a   'b c' "d"e`: {"a", "b c", "de"},
		`a\ b "c\"d" '' `:  {"a b", `c"d`, ""},
		"a \\\n b":         {"a", "b"},
		`'open`:            {"open"},
		``:                 nil,
	} {
		if got := Words(line); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestSignalsHaveOneSpelling(t *testing.T) {
	for _, s := range []string{"SIGTERM", "sigterm", "TERM", "15"} {
		if Signal(s) != "TERM" {
			t.Errorf("%s: %s", s, Signal(s))
		}
	}
}

func TestAMendIsThePrograms(t *testing.T) {
	const set, out = "set SIG%s", "take it out"
	for line, want := range map[string]string{
		"nginx":                  "set SIGQUIT",
		"php-fpm":                "set SIGQUIT, and set process_control_timeout in php-fpm's configuration: it is 0, with which workers are cut on QUIT as well",
		"waitress-serve app":     "serve it with gunicorn: waitress has no graceful stop",
		"node server.js":         "take it out",
		"something --not-known ": "take it out",
	} {
		if got := Look("", Words(line), nil).Program.Mend(set, out); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
