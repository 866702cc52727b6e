package check

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// asRuby goes by the script, and by the title that a server gives itself.
func asRuby(ctx context.Context, e evidence) (Server, bool) {
	if e.program() != "ruby" && e.program() != "truffleruby" {
		return Server{}, false
	}
	s := Server{Name: "ruby", Runtime: "ruby", Version: e.asked(ctx, "--version")}
	line := strings.Join(e.argv, " ")
	name := rubyServer.FindString(line)
	if name == "" {
		name = byHeader(e).Name
	}
	if name == "" {
		return s, true
	}
	s.Uses = append(s.Uses, "ruby "+s.Version)
	s.Name, s.Version = name, ""
	if m := pumaTitle.FindStringSubmatch(line); m != nil {
		s.Version = m[1]
	}
	if slices.ContainsFunc(e.others, func(line string) bool { return strings.HasPrefix(line, "puma: cluster worker") }) {
		s.Model = "cluster"
	}
	return s, true
}

var (
	rubyServer = regexp.MustCompile(`\b(puma|unicorn|pitchfork|falcon|thin|webrick|passenger)\b`)
	pumaTitle  = regexp.MustCompile(`puma ([0-9][0-9A-Za-z.]*) \(`)
)

// asPHP tells the server for development from the one for processes.
func asPHP(ctx context.Context, e evidence) (Server, bool) {
	switch base := filepath.Base(e.exe); {
	case strings.HasPrefix(base, "php-fpm"):
		return Server{Name: "php-fpm", Runtime: "php", Version: versionNumber.FindString(base)}, true
	case strings.HasPrefix(base, "php"):
		return Server{Name: "php", Runtime: "php", Version: e.asked(ctx, "--version")}, true
	}
	return Server{}, false
}

// asNative knows servers by the names of their executables, with the option by
// which they say their version.
func asNative(ctx context.Context, e evidence) (Server, bool) {
	known := map[string]struct{ name, version, runtime string }{
		"nginx": {"nginx", "-v", ""}, "openresty": {"nginx", "-v", ""}, "apache2": {"httpd", "-v", ""}, "httpd": {"httpd", "-v", ""},
		"haproxy": {"haproxy", "-v", ""}, "lighttpd": {"lighttpd", "-v", ""}, "envoy": {"envoy", "--version", ""}, "varnishd": {"varnish", "-V", ""},
		"dotnet": {"dotnet", "--version", "dotnet"}, "beam.smp": {"erlang", "", "erlang"}, "perl": {"perl", "--version", "perl"},
	}
	s, ok := known[filepath.Base(e.exe)]
	if !ok {
		return Server{}, false
	}
	found := Server{Name: s.name, Runtime: s.runtime}
	if s.version != "" {
		found.Version = e.asked(ctx, s.version)
	}
	for _, a := range e.argv {
		if perl := regexp.MustCompile(`\b(starman|starlet|hypnotoad|plackup)\b`).FindString(a); s.name == "perl" && perl != "" {
			return Server{Name: perl, Runtime: "perl", Uses: []string{"perl " + found.Version}}, true
		}
	}
	return found, true
}

// largestScanned is the size of an executable up to which it is searched.
const largestScanned = 128 << 20

var crate = regexp.MustCompile(`/(axum|actix-web|hyper|hyper-util|warp|rocket|tonic|poem|tide|salvo_core|ntex)-([0-9]+\.[0-9]+\.[0-9]+)[^/]*/src/`)

// asRust finds the crates in an executable by the names of their files, which
// stand in it for the messages of panics.
func asRust(_ context.Context, e evidence) (Server, bool) {
	info, err := os.Stat(e.exe)
	if err != nil || info.Size() > largestScanned {
		return Server{}, false
	}
	b, err := os.ReadFile(e.exe)
	if err != nil || !strings.HasPrefix(string(b[:min(4, len(b))]), "\x7fELF") {
		return Server{}, false
	}
	s := Server{Name: "rust", Runtime: "rust"}
	for _, m := range crate.FindAllSubmatch(b, -1) {
		if use := string(m[1]) + " " + string(m[2]); !slices.Contains(s.Uses, use) {
			s.Uses = append(s.Uses, use)
		}
	}
	return s, len(s.Uses) > 0
}
