package check

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"strings"
)

// asGo reads what the linker has written into the executable.
func asGo(_ context.Context, e evidence) (Server, bool) {
	info, err := buildinfo.ReadFile(fmt.Sprintf("/proc/%d/exe", e.pid))
	if err != nil {
		return Server{}, false
	}
	s := Server{Name: "go", Version: strings.TrimPrefix(info.GoVersion, "go"), Runtime: "go"}
	for module, name := range map[string]string{"github.com/caddyserver/caddy/v2": "caddy", "github.com/traefik/traefik/v3": "traefik", "github.com/seguehq/segue": "segue"} {
		if info.Main.Path == module || info.Path == module+"/cmd/"+name {
			s.Name, s.Version = name, strings.Trim(info.Main.Version, "v()")
		}
	}
	for _, m := range info.Deps {
		if name := goModules()[withoutMajor(m.Path)]; name != "" && name != s.Name {
			s.Uses = append(s.Uses, name+" "+strings.TrimPrefix(m.Version, "v"))
		}
	}
	return s, true
}

// withoutMajor cuts the /v2 off a module's path.
func withoutMajor(path string) string {
	i := strings.LastIndex(path, "/v")
	if i > 0 && strings.Trim(path[i+2:], "0123456789") == "" {
		return path[:i]
	}
	return path
}

// goModules are those that have a part in how a server stops.
func goModules() map[string]string {
	return map[string]string{
		"github.com/gin-gonic/gin":        "gin",
		"github.com/labstack/echo":        "echo",
		"github.com/gofiber/fiber":        "fiber",
		"github.com/valyala/fasthttp":     "fasthttp",
		"github.com/go-chi/chi":           "chi",
		"github.com/gorilla/mux":          "gorilla/mux",
		"github.com/gorilla/websocket":    "gorilla/websocket",
		"github.com/coder/websocket":      "coder/websocket",
		"google.golang.org/grpc":          "grpc",
		"connectrpc.com/connect":          "connect",
		"github.com/cloudflare/tableflip": "tableflip",
		"github.com/caddyserver/caddy":    "caddy",
	}
}
