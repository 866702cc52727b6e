package compose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const dockerfile = `# syntax=docker/dockerfile:1
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ENTRYPOINT ["go"]
FROM debian:13 as base
STOPSIGNAL SIGQUIT
EXPOSE 8080
HEALTHCHECK --interval=2s CMD /web health

FROM base
COPY --from=build /web /web
ENTRYPOINT ["/web", \
  # a comment between continued lines
  "--port"]
CMD ["8080"]
`

func TestADockerfileIsReadWithWhatItsStageInherits(t *testing.T) {
	r := parseDockerfile(dockerfile, "")
	if r.from != "debian:13" || r.stopSignal != "QUIT" || !r.healthcheck || !r.exposes {
		t.Errorf("read %+v", r)
	}
	if !slices.Equal(r.entrypoint.argv, []string{"/web", "--port"}) || r.entrypoint.line != 11 || !slices.Equal(r.cmd.argv, []string{"8080"}) {
		t.Errorf("starts %+v with %+v", r.entrypoint, r.cmd)
	}
	if r := parseDockerfile(dockerfile, "build"); r.from != "golang:1.26" || r.healthcheck {
		t.Errorf("the stage build is %+v", r)
	}
	if r := parseDockerfile("FROM x\nCMD [\"a\"]\nENTRYPOINT exec b\n", ""); len(r.cmd.argv) > 0 || !slices.Equal(r.entrypoint.argv, []string{"/bin/sh", "-c", "exec b"}) {
		t.Errorf("an entrypoint keeps the command before it: %+v", r)
	}
	for _, odd := range []string{"", "FROM", "\\", "CMD", "FROM x AS", "HEALTHCHECK none"} {
		parseDockerfile(odd, "")
	}
}

func TestWhatTheDockerfileSaysCounts(t *testing.T) {
	const composed = "services:\n  web:\n    build: {context: ./app}\n    restart: always\n    stop_grace_period: 30s\n"
	for recipe, want := range map[string]string{
		"FROM node:22\nEXPOSE 80\nHEALTHCHECK CMD ok\nCMD [\"node\", \"s.js\"]\n":                  "",
		"FROM node:22\nEXPOSE 80\nHEALTHCHECK CMD ok\nCMD node s.js\n":                             "compose-shell-entry: Dockerfile, line 4: ",
		"FROM node:22-alpine\nEXPOSE 80\nHEALTHCHECK CMD ok\nCMD node s.js\n":                      "",
		"FROM node:22\nEXPOSE 80\nHEALTHCHECK CMD ok\nCMD [\"npm\", \"start\"]\n":                  "compose-npm-start: Dockerfile, line 4: ",
		"FROM node:22\nEXPOSE 80\nCMD [\"node\", \"s.js\"]\n":                                      "no-healthcheck: there is no healthcheck, here or in the Dockerfile (unless node:22 has one)",
		"FROM nginx:1.29\nHEALTHCHECK CMD ok\nSTOPSIGNAL SIGTERM\n":                                "compose-stop-signal: on TERM, the image's STOPSIGNAL, nginx quits",
		"FROM ruby:3.4\nHEALTHCHECK CMD ok\nCMD [\"bundle\", \"exec\", \"unicorn\"]\n":             "compose-stop-signal: on TERM, the default, Unicorn quits",
		"FROM ruby:3.4\nSTOPSIGNAL QUIT\nHEALTHCHECK CMD ok\nENTRYPOINT [\"unicorn\"]\n":           "",
		"FROM python:3.13\nEXPOSE 80\nHEALTHCHECK CMD ok\nENTRYPOINT [\"tini\", \"-g\"]\nCMD x; y": "",
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "app"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "app", "Dockerfile"), []byte(recipe), 0o644); err != nil {
			t.Fatal(err)
		}
		said := ""
		for _, f := range findings(t, load(t, filepath.Join(dir, "compose.yaml"), composed)...) {
			said += f.Rule + ": " + f.Hazard
		}
		if want == "" && said != "" || !strings.HasPrefix(said, want) {
			t.Errorf("%s\nfound %q, want %q", recipe, said, want)
		}
	}
}

func TestADockerfileThatIsNotAtHandSaysNothing(t *testing.T) {
	for _, build := range []string{"https://example.org/x.git", "./nowhere", "{context: ., dockerfile: ../../../../etc}"} {
		w := load(t, "compose.yaml", "services:\n  web:\n    build: "+build+"\n")
		if found := findings(t, w...); len(found) > 0 {
			t.Errorf("%s: %+v", build, found)
		}
	}
}
