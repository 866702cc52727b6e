package config

import (
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

type shedding struct {
	InFlight count      `json:"inflight,omitempty" min:"1" max:"1000000" jsonschema:"Requests that one instance may have at once; the service's bound is that times its instances. Connections that stay open (WebSocket, server-sent events) do not count. Absent: not looked at."`
	P95      duration   `json:"p95,omitempty" min:"1ms" jsonschema:"95 % of the requests must begin to be answered within this time. Absent: not looked at."`
	Errors   percentage `json:"errors,omitempty" jsonschema:"Share of the requests that may fail: status 500 or above, no answer, or not the whole of it. Absent: not looked at."`
	Routes   []ranked   `json:"routes,omitempty" jsonschema:"How much requests matter, by path. Those that no path selects are normal."`
}

type ranked struct {
	Path       text `json:"path,omitempty" jsonschema:"Path prefix, matched at segment boundaries; the longest wins."`
	Importance text `json:"importance,omitempty" enum:"low|normal|high|critical" jsonschema:"low is turned away first, normal when all of that is, high when all of that is, too; critical never."`
}

// shedding checks when requests are turned away, and which.
func (s scope) shedding(set *shedding, via deploy.Via, protocol deploy.Protocol) *deploy.Shedding {
	if set == nil {
		return nil
	}
	switch {
	case via != deploy.ViaProxy:
		s.fail("shedding", "no request of this service passes the proxy, so none can be turned away", "take it out, or give the service a listen address and via: proxy")
		return nil
	case protocol == deploy.TCP:
		s.fail("shedding", "a connection of protocol: tcp cannot be told that it is turned away", "take it out")
		return nil
	case !s.has("shedding.inflight") && !s.has("shedding.p95") && !s.has("shedding.errors") && !s.failed("shedding"):
		s.fail("shedding", "it does not say when the service is short of capacity", "give it one of inflight: 100, p95: 500ms, errors: 5%, or more of them")
	case s.has("shedding.errors") && set.Errors == 0 && !s.failed("shedding.errors"):
		s.fail("shedding.errors", "a service that may never fail would be short of capacity at its first error", "write a share that it has on no good day, such as 5%")
	}
	return &deploy.Shedding{InFlight: int(set.InFlight), P95: time.Duration(set.P95), Errors: float64(set.Errors), Routes: s.ranks(set.Routes)}
}

func (s scope) ranks(routes []ranked) (out []deploy.Ranked) {
	_, section := s.find("shedding.routes")
	seen := map[string]bool{}
	for i, r := range routes {
		item := section.items[i]
		if item.kind != mapping {
			continue // reported by decode
		}
		fail := func(n *node, key, what, mend string) {
			s.r.failAt(n.line, n.col, join(s.path, "shedding.routes"+key), what, mend)
		}
		_, at := item.get("path")
		_, rank := item.get("importance")
		if at == nil || rank == nil {
			fail(item, "", "a path and its importance go together", "write {path: /search, importance: low}")
			continue
		}
		path, bad := parsePath(string(r.Path))
		switch {
		case r.Path == "": // reported by decode
			continue
		case bad != nil:
			fail(at, ".path", bad.what, bad.mend)
			continue
		case seen[path]:
			fail(at, ".path", "this path stands here twice", "keep one of them")
		}
		seen[path] = true
		if path == "" {
			path = "/"
		}
		out = append(out, deploy.Ranked{Path: path, Importance: string(r.Importance)})
	}
	return out
}
