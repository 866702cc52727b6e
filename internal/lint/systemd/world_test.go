package systemd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/internal/lint/linttest"
)

func TestNothingIsSaidAboutGoodUnits(t *testing.T) {
	names, err := filepath.Glob("testdata/good/*")
	if err != nil || len(names) == 0 {
		t.Fatal("no good units", err)
	}
	var objects []*lint.Object
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, load(t, name, string(data))...)
	}
	for _, f := range findings(t, objects...) {
		t.Errorf("%s: %s: %s", f.At, f.Rule, f.Hazard)
	}
}

func load(t *testing.T, name, text string) []*lint.Object {
	t.Helper()
	loaded := lint.Load(lint.NewFile(name, []byte(text)))
	for _, p := range loaded.Problems {
		t.Fatal(p)
	}
	return loaded.Objects
}

func findings(t *testing.T, objects ...*lint.Object) []lint.Finding {
	t.Helper()
	var found []lint.Finding
	for _, p := range Rules().Run(objects, linttest.Facts(), nil, func(f lint.Finding) { found = append(found, f) }) {
		t.Error(p)
	}
	return found
}

func world(t *testing.T, files ...string) *World {
	t.Helper()
	var objects []*lint.Object
	for i := 0; i < len(files); i += 2 {
		objects = append(objects, load(t, files[i], files[i+1])...)
	}
	w, problems := newWorld(objects, lint.Facts{})
	for _, p := range problems {
		t.Error(p)
	}
	return w
}

func TestDropInsCountInTheirOrder(t *testing.T) {
	w := world(t,
		"/etc/systemd/system/web@1.service.d/90-last.conf", "[Service]\nKillSignal=SIGINT\n",
		"/etc/systemd/system/web@.service.d/10-first.conf", "[Service]\nKillSignal=SIGQUIT\nExecStart=\nExecStart=/srv/b --port 1\n",
		"/etc/systemd/system/service.d/50-all.conf", "[Service]\nRestart=always\n",
		"/etc/systemd/system/we-.service.d/a.conf", "[Service]\nRestart=no\n",
		"/etc/systemd/system/web@1.service", "[Service]\nExecStart=/srv/a\nKillSignal=SIGTERM\n",
		"/etc/systemd/system/other.service.d/a.conf", "[Service]\nKillMode=none\n",
	)
	u := w.Services[0]
	if u.Name != "web@1.service" || !u.Whole {
		t.Fatalf("the first is %s", u.Name)
	}
	if s := u.service("KillSignal"); s.value != "SIGINT" || s.at.String() != "/etc/systemd/system/web@1.service.d/90-last.conf:2:1" {
		t.Errorf("KillSignal=%s at %s", s.value, s.at)
	}
	if got := u.all("Service", "ExecStart"); len(got) != 1 || got[0].value != "/srv/b --port 1" {
		t.Errorf("ExecStart is %+v", got)
	}
	if got := u.service("Restart").value; got != "always" {
		t.Errorf("Restart=%s", got)
	}
	var fragments []string
	for _, u := range w.Services[1:] {
		if u.Whole {
			t.Errorf("%s is said to be whole", u.Name)
		}
		fragments = append(fragments, u.Name)
	}
	slices.Sort(fragments)
	if !slices.Equal(fragments, []string{"other.service", "we-.service"}) {
		t.Errorf("fragments: %q", fragments)
	}
}

func TestOfADropInAloneOnlyWhatIsSetIsJudged(t *testing.T) {
	found := findings(t, load(t, "/etc/systemd/system/nginx.service.d/override.conf", "[Service]\nKillMode=none\nLimitNOFILE=65536\n")...)
	if len(found) != 1 || found[0].Rule != "kill-mode" {
		t.Errorf("found %+v", found)
	}
}

func TestAFixGoesWhereTheSettingStands(t *testing.T) {
	w := world(t,
		"/lib/systemd/system/nginx.service", "[Service]\nExecStart=/usr/sbin/nginx\n",
		"/etc/systemd/system/nginx.service.d/stop.conf", "[Service]\nKillSignal=SIGTERM\n")
	var at string
	killSignal(w, func(f lint.Finding) { at = f.At.String() })
	if at != "/etc/systemd/system/nginx.service.d/stop.conf:2:1" {
		t.Errorf("found at %q", at)
	}
}

func TestASocketBelongsToItsService(t *testing.T) {
	for socket, want := range map[string]bool{
		"[Socket]\nListenStream=80\n":                          true,
		"[Socket]\nListenStream=80\nService=web.service\n":     true,
		"[Socket]\nListenStream=80\nService=other.service\n":   false,
		"[Unit]\nBefore=x\n[Socket]\nFileDescriptorName=web\n": true,
	} {
		w := world(t, "web.service", "[Service]\nExecStart=/srv/web\n", "web.socket", socket)
		if got := w.Services[0].Socket != nil; got != want {
			t.Errorf("%q: %v", socket, got)
		}
	}
	w := world(t, "web.service", "[Service]\nExecStart=/srv/web\nSockets=a.socket b.socket\n", "b.socket", "[Socket]\nListenStream=80\n")
	if w.Services[0].Socket == nil {
		t.Error("Sockets= is not looked at")
	}
}

func TestTimeSpansAreThoseOfSystemd(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90": 90 * time.Second, "5s": 5 * time.Second, "1min 30s": 90 * time.Second, "1min30s": 90 * time.Second,
		"2h": 2 * time.Hour, "500ms": 500 * time.Millisecond, "1.5s": 1500 * time.Millisecond, "0": 0, "infinity": forever,
		"1d": 24 * time.Hour, "1M": 730*time.Hour + 30*time.Minute, "99999999y": forever,
	} {
		if got, ok := parseSpan(text); !ok || got != want {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"x", "5 parsecs", "s", "1..2s", "-5"} {
		if got, ok := parseSpan(text); ok {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestTheLastOfTheStopTimeoutsCounts(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"":                                   90 * time.Second,
		"TimeoutSec=20\n":                    20 * time.Second,
		"TimeoutStopSec=5\nTimeoutSec=20\n":  20 * time.Second,
		"TimeoutSec=20\nTimeoutStopSec=5\n":  5 * time.Second,
		"TimeoutStopSec=0\n":                 forever,
		"TimeoutStopSec=5\nTimeoutStopSec=7": 7 * time.Second,
	} {
		u := world(t, "web.service", "[Service]\nExecStart=/srv/web\n"+text).Services[0]
		if got, _, _ := u.stopTimeout(); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestCommandLinesAreReadAsSystemdReadsThem(t *testing.T) {
	u := world(t, "web.service", `[Service]
Environment="OPTS=--port 80" NAME=web
Environment=OTHER=x
ExecStart=-@/srv/web web0 $OPTS --name=${NAME} "a b" $UNKNOWN
ExecReload=+/bin/true ; /bin/kill -s HUP $MAINPID
`).Services[0]
	want := []string{"/srv/web", "--port", "80", "--name=web", "a b", "$UNKNOWN"}
	if got := u.commands("ExecStart"); len(got) != 1 || !slices.Equal(got[0].argv, want) {
		t.Errorf("ExecStart is %q", got)
	}
	if got := u.commands("ExecReload"); len(got) != 2 || got[1].signal() != "HUP" {
		t.Errorf("ExecReload is %q", got)
	}
}

func TestACommandTellsItsSignal(t *testing.T) {
	for line, want := range map[string]string{
		"/bin/kill -HUP $MAINPID":                    "HUP",
		"/bin/kill -s SIGUSR2 $MAINPID":              "USR2",
		"kill -9 $MAINPID":                           "KILL",
		"kill $MAINPID":                              "TERM",
		"/usr/bin/pkill --signal=quit nginx":         "QUIT",
		"killall -u web -INT web":                    "INT",
		"/bin/sh -c 'kill -HUP $MAINPID'":            "HUP",
		"/bin/sh -c 'exec kill -USR1 $(cat /x)'":     "USR1",
		"/bin/sh -c 'kill -HUP 1; sleep 5'":          "",
		"/usr/sbin/nginx -s reload":                  "",
		"/usr/bin/systemctl kill -s HUP web.service": "",
	} {
		if got := (command{argv: lint.Words(line)}).signal(); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestWhatOnlyAsksForAStopIsTold(t *testing.T) {
	for line, want := range map[string]string{
		"nginx -s quit": "QUIT",
		"/bin/sh -c '/bin/kill -QUIT $(cat pid)'":                                "QUIT",
		"/bin/sh -c 'kill -QUIT $MAINPID; sleep 30'":                             "",
		"/bin/sh -c 'kill -QUIT $MAINPID; while kill -0 $MAINPID; do :; done'":   "",
		"/sbin/start-stop-daemon --stop --retry QUIT/5 --pidfile /run/nginx.pid": "",
		"/usr/sbin/apachectl graceful-stop":                                      "WINCH",
	} {
		if got := (command{argv: lint.Words(line)}).asks(); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestWhoServesIsToldByTheUnit(t *testing.T) {
	const boot = "\n[Unit]\nAfter=network.target\n[Install]\nWantedBy=multi-user.target\n"
	for text, want := range map[string][2]bool{
		"ExecStart=/srv/web":                                       {false, false},
		"ExecStart=/srv/web --port 80":                             {true, true},
		"ExecStart=/srv/web --http-addr=:80":                       {true, true},
		"ExecStart=/srv/web :80":                                   {true, true},
		"ExecStart=/srv/web\nEnvironment=PORT=80":                  {true, true},
		"ExecStart=/srv/web" + boot:                                {false, true},
		"Type=oneshot\nExecStart=/srv/web --port 80" + boot:        {false, false},
		"ExecStart=/usr/bin/redis-server --port 6379" + boot:       {false, false},
		"ExecStart=/lib/systemd/systemd-networkd" + boot:           {false, false},
		"ExecStart=/usr/bin/nginx":                                 {true, true},
		"ExecStart=/srv/worker --important --support x --import y": {false, false},
	} {
		u := world(t, "web.service", "[Service]\n"+text+"\n").Services[0]
		if got := [2]bool{u.Serves(), u.MayServe()}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestMessagesHaveTheNumbersOfTheUnit(t *testing.T) {
	w := world(t, "web.service", "[Service]\nExecStart=/usr/bin/gunicorn --graceful-timeout 45 app\nTimeoutStopSec=20\n")
	var said string
	timeoutStop(w, func(f lint.Finding) { said = f.Hazard + f.Mend })
	for _, number := range []string{"45s", "20s", "50s"} {
		if !strings.Contains(said, number) {
			t.Errorf("no %s in %q", number, said)
		}
	}
}
