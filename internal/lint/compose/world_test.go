package compose

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/internal/lint/linttest"
)

func TestNothingIsSaidAboutGoodFiles(t *testing.T) {
	names, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal("no good files", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings(t, load(t, name, string(data))...) {
			t.Errorf("%s: %s: %s", f.At, f.Rule, f.Hazard)
		}
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

func service(t *testing.T, text string) *Service {
	t.Helper()
	w, problems := newWorld(load(t, "compose.yaml", "services:\n  web:\n    image: x\n"+text), lint.Facts{})
	if len(problems) > 0 {
		t.Fatal(problems[0])
	}
	return w.Services[0]
}

func TestVariablesCountAsTheirDefaults(t *testing.T) {
	for in, want := range map[string]string{
		"plain":             "plain",
		"${A:-b}":           "b",
		"${A-b}c":           "bc",
		"x${A:-${B:-c}}":    "xc",
		"${A}":              "${A}",
		"${A:?say which}":   "${A}",
		"$A/$B":             "${A}/${B}",
		"${A:+b}":           "",
		"$$A costs $5 or $": "$A costs $5 or $",
		"${A":               "${A",
	} {
		if got := interpolate(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestPortsAreReadInEveryForm(t *testing.T) {
	s := service(t, `    ports:
      - 80
      - "8080:80"
      - "127.0.0.1:8080:80/tcp"
      - "[::1]:8080:80"
      - "8080-8082:80"
      - "8080-8082:80-82"
      - {target: 80, published: 8080}
      - {target: 80}
      - "${PORT:-8080}:80"
      - "${PORT}:80"
      - "0:80"
`)
	want := []int{0, 1, 1, 1, 3, 1, 1, 0, 1, 1, 0}
	for i, p := range s.Ports {
		if p.hosts() != want[i] || p.target == "" {
			t.Errorf("port %d, %+v: room for %d, want %d", i, p, p.hosts(), want[i])
		}
	}
}

func TestLongAndShortFormsMeanTheSame(t *testing.T) {
	for _, text := range []string{
		"    command: a 'b c'\n    environment: {K: v}\n    depends_on: {db: {condition: service_started}}\n",
		"    command: [a, b c]\n    environment: [K=v]\n    depends_on: [db]\n",
	} {
		s := service(t, text)
		if !slices.Equal(s.Command, command{"a", "b c"}) || s.Environment["K"] != "v" || s.DependsOn["db"].Condition != "service_started" {
			t.Errorf("%s is %+v", text, s)
		}
	}
}

func TestReplicasAreCountedWhereverTheyStand(t *testing.T) {
	for text, want := range map[string]int{
		"": 1, "    scale: 3\n": 3, "    deploy: {replicas: 4}\n    scale: 3\n": 4, "    deploy: {replicas: \"${N:-5}\"}\n": 5,
		"    deploy: {replicas: \"${N}\"}\n": -1, "    deploy: {mode: global}\n": -1,
	} {
		n, ok := service(t, text).Replicas()
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("%s: %d, want %d", text, n, want)
		}
	}
}

func TestAStackIsToldByItsNameItsNetworksOrItsKeys(t *testing.T) {
	const web = "services:\n  web:\n    image: x\n"
	for _, tt := range []struct {
		name, text string
		want       bool
	}{
		{"compose.yaml", web, false},
		{"docker-stack.yml", web, true},
		{"compose.yaml", web + "networks:\n  a: {driver: overlay}\n", true},
		{"compose.yaml", web + "    deploy: {replicas: 2, resources: {}}\n", false},
		{"compose.yaml", web + "  db:\n    image: x\n    deploy: {placement: {}}\n", true},
	} {
		w, _ := newWorld(load(t, tt.name, tt.text), lint.Facts{})
		if got := w.Services[0].Stack; got != tt.want {
			t.Errorf("%s, %q: %v", tt.name, tt.text, got)
		}
	}
}

func TestStateIsToldByWhatIsMounted(t *testing.T) {
	for volume, want := range map[string]bool{
		"data:/var/lib/x": true, "./data:/data": true, "./conf:/etc/x:ro": false, "./x.conf:/etc/x.conf": false, "/cache": false,
		"/var/run/docker.sock:/var/run/docker.sock": false, "{type: volume, source: data, target: /x}": true,
		"{type: bind, source: ./a, target: /x, read_only: true}": false, "{type: tmpfs, target: /x}": false,
	} {
		if !strings.HasPrefix(volume, "{") {
			volume = strconv.Quote(volume)
		}
		if got := service(t, "    volumes: ["+volume+"]\n").Stateful(); got != want {
			t.Errorf("%s: %v", volume, got)
		}
	}
}

func TestWhoServesIsToldByTheFile(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                     false,
		"    expose: [80]\n":                   true,
		"    ports: [\"5432:5432\"]\n":         false, // a database's
		"    command: celery worker\n":         false,
		"    command: bundle exec puma\n":      true,
		"    command: node worker.js\n":        false,
		"    labels: [\"caddy=x.example\"]\n":  true,
		"    environment: {VIRTUAL_HOST: x}\n": true,
		"    deploy: {labels: {traefik.http.routers.web.rule: Host(`x`)}}": true,
		"    healthcheck: {test: curl http://localhost/}\n":                true,
	} {
		if got := service(t, text).Serves(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

const app = `services:
  web:
    image: shop/web:1
    expose: ["8080"]
    restart: always
    stop_grace_period: 30s
    healthcheck: {test: [CMD, ok]}
`

func TestAnOverrideFileAddsToItsBase(t *testing.T) {
	base := load(t, "shop/compose.yaml", app)
	override := load(t, "shop/compose.override.yaml", "services:\n  web:\n    stop_grace_period: 0s\n")
	found := findings(t, append(override, base...)...)
	if len(found) != 1 || found[0].Rule != "stop-grace-period" || found[0].At.String() != "shop/compose.override.yaml:3:5" {
		t.Errorf("found %+v", found)
	}
	if found := findings(t, load(t, "compose.override.yaml", "services:\n  web:\n    ports: [\"80:80\"]\n")...); len(found) > 0 {
		t.Errorf("a fragment alone is judged: %+v", found)
	}
}

func TestWhatAServiceExtendsIsPartOfIt(t *testing.T) {
	base := load(t, "shop/base.yaml", app)
	derived := load(t, "shop/compose.yaml", "services:\n  site:\n    extends: {file: base.yaml, service: web}\n    container_name: site\n")
	found := findings(t, append(base, derived...)...)
	if len(found) != 1 || found[0].Rule != "container-name" || found[0].At.String() != "shop/compose.yaml:4:5" {
		t.Errorf("found %+v", found)
	}
	loop := load(t, "compose.yaml", "services:\n  a:\n    image: x\n    extends: b\n  b:\n    image: x\n    extends: a\n")
	findings(t, loop...) // ends
}

func TestAFactOfTheFileGoesBeforeTheProgramsDefault(t *testing.T) {
	s := service(t, "    command: gunicorn app\n    x-segue-drain: 5s\n")
	if d := s.drain(lint.Facts{Drain: time.Minute}); d.Time != 5*time.Second {
		t.Errorf("drains %v by %s", d.Time, d.Why)
	}
}

func TestMessagesHaveTheNumbersOfTheFile(t *testing.T) {
	found := findings(t, load(t, "compose.yaml", strings.Replace(app, "    expose", "    command: gunicorn --graceful-timeout 45 app\n    expose", 1))...)
	if len(found) != 1 || !strings.Contains(found[0].Hazard, "45s") || !strings.Contains(found[0].Hazard, "30s") || !strings.Contains(found[0].Mend, "50s") {
		t.Errorf("found %+v", found)
	}
}
