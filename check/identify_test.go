package check

import (
	"archive/zip"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What a server is made of, by what its process shows.
func TestRecognizesServers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"shop/package.json":                      `{"dependencies": {"express": "^5", "koa": "^3", "@godaddy/terminus": "^4"}}`,
		"shop/server.js":                         `const app = require('./lib/app'); const http = require("node:http")`,
		"shop/lib/app.mjs":                       `import express from 'express'` + "\n" + `import { createTerminus } from "@godaddy/terminus"`,
		"shop/node_modules/express/package.json": `{"version": "5.1.0"}`,
		"venv/lib/python3.13/site-packages/gunicorn-23.0.0.dist-info/METADATA": "",
		"configured/gunicorn.conf.py":                                          "workers = 4\nworker_class = 'uvicorn_worker.UvicornWorker'\n",
		"jdk/release":                                                          `JAVA_VERSION="21.0.4"` + "\n",
	})
	fat := filepath.Join(dir, "shop.jar")
	pack(t, fat, "BOOT-INF/lib/spring-boot-3.4.1.jar", "BOOT-INF/lib/tomcat-embed-core-10.1.34.jar", "BOOT-INF/lib/jackson-core-2.18.2.jar")
	header := func(name, value string) http.Header { return http.Header{name: {value}} }
	line := strings.Fields
	for name, test := range map[string]struct {
		e    evidence
		want string
	}{
		"node, by its imports":       {evidence{exe: "/opt/node", argv: line("node --enable-source-maps server.js"), dir: dir + "/shop"}, "node, express 5.1.0, @godaddy/terminus"},
		"node, by its package.json":  {evidence{exe: "/opt/node", argv: line("node dist/bundle.js"), dir: dir + "/shop"}, "node, express 5.1.0, koa, @godaddy/terminus"},
		"node, of itself":            {evidence{exe: "/opt/node", argv: line("node"), dir: "/"}, "node"},
		"gunicorn by its script":     {evidence{exe: "/usr/bin/python3.13", argv: line(dir + "/venv/bin/python3 " + dir + "/venv/bin/gunicorn app:app"), dir: dir}, "gunicorn 23.0.0 (sync), python 3.13"},
		"gunicorn by its title":      {evidence{exe: "/nowhere/bin/python3.13", argv: []string{"gunicorn: master [app:app]"}, dir: "/"}, "gunicorn"},
		"gunicorn with threads":      {evidence{exe: "/nowhere/bin/python3.13", argv: line("python -m gunicorn --threads=8 app:app"), dir: "/"}, "gthread"},
		"gunicorn with a class":      {evidence{exe: "/nowhere/bin/python3.13", argv: line("python -mgunicorn -k gevent app:app"), dir: "/"}, "(gevent)"},
		"gunicorn by configuration":  {evidence{exe: "/nowhere/bin/python3.13", argv: line("python -m gunicorn app:app"), dir: dir + "/configured"}, "(UvicornWorker)"},
		"a script that says tornado": {evidence{exe: "/nowhere/bin/python3.13", argv: line("python app.py"), dir: "/", header: header("Server", "TornadoServer/6.4.1")}, "tornado"},
		"http.server":                {evidence{exe: "/usr/bin/python3.13", argv: line("python3 -m http.server 8000"), dir: "/"}, "http.server 3.13"},
		"puma":                       {evidence{exe: "/opt/ruby3.3", argv: []string{"puma 6.4.2 (tcp://0.0.0.0:9292) [shop]"}, dir: "/"}, "puma 6.4.2, ruby"},
		"puma's cluster":             {evidence{exe: "/opt/ruby", argv: []string{"puma 6.4.2 (tcp://0.0.0.0:9292) [shop]"}, others: []string{"puma: cluster worker 0: 12 [shop]"}}, "puma 6.4.2 (cluster), ruby"},
		"unicorn":                    {evidence{exe: "/opt/ruby", argv: line("unicorn master -c unicorn.rb")}, "unicorn"},
		"spring boot on tomcat":      {evidence{exe: dir + "/jdk/bin/java", argv: line("java -jar " + fat), dir: "/"}, "java 21.0.4, spring-boot 3.4.1, tomcat 10.1.34"},
		"jetty on the class path":    {evidence{exe: "/opt/java", argv: line("java -cp lib/jetty-server-12.0.16.jar:lib/app.jar Main"), dir: "/"}, "java, jetty 12.0.16"},
		"php-fpm":                    {evidence{exe: "/usr/sbin/php-fpm8.2", argv: line("php-fpm: master process"), dir: "/"}, "php-fpm 8.2"},
		"nginx, and its header":      {evidence{exe: "/opt/nginx", argv: line("nginx: master process"), dir: "/", header: header("Server", "nginx/1.27.3")}, "nginx 1.27.3"},
		"starman":                    {evidence{exe: "/opt/perl", argv: line("starman master"), dir: "/"}, "starman"},
		"a header alone":             {evidence{header: header("Server", "Apache/2.4.62 (Debian)")}, "httpd 2.4.62"},
		"jetty's way to write it":    {evidence{header: header("Server", "Jetty(9.4.50.v20221201)")}, "jetty 9.4.50"},
		"a header without version":   {evidence{header: header("Server", "gunicorn")}, "gunicorn"},
		"what drives it":             {evidence{header: header("X-Powered-By", "Express")}, "node"},
		"an unknown one":             {evidence{exe: "/opt/unheard-of", header: header("Server", "unheard-of/1.0")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			have := test.e.recognize(t.Context()).String()
			if !strings.Contains(have, test.want) || test.want == "" && have != "" {
				t.Errorf("%q, want %q", have, test.want)
			}
		})
	}
}

// The fixture is a Go program; who starts it is seen beside it.
func TestIdentifiesLauncher(t *testing.T) {
	t.Parallel()
	r := verdicts(t, under(impatient), "signal-as-pid-1")
	if r.Server.Runtime != "go" || r.Server.Launcher != "sh" || r.Server.Version == "" {
		t.Errorf("server %+v", r.Server)
	}
}

// php-fpm is what is stopped, though it is nginx that listens. A shell by that
// name stands for it, with the fixture for nginx.
func TestIdentifiesWhatServesBehindTheListener(t *testing.T) {
	t.Parallel()
	fpm := filepath.Join(t.TempDir(), "php-fpm8.2")
	// Not by os.WriteFile: a test that forks meanwhile holds the file open for
	// writing, and it cannot be run (ETXTBSY).
	if out, err := exec.Command("cp", "/bin/sh", fpm).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	target := fixtureTarget()
	target.Paths = Paths{}
	target.Command = []string{fpm, "-c", `"$0" & wait`, target.Command[0]}
	if r := verdicts(t, target, "signal-as-pid-1"); r.Server.Name != "php-fpm" || r.Server.Launcher != "" {
		t.Errorf("server %+v", r.Server)
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func pack(t *testing.T, file string, names ...string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for _, name := range names {
		if _, err := z.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}
