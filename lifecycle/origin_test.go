package lifecycle

import (
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

// inherit makes listening sockets with these names, and returns them with their
// addresses.
func inherit(t *testing.T, names ...string) (out []socket, addrs []string) {
	t.Helper()
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		out = append(out, socket{Name: name, Shared: true, file: f})
		addrs = append(addrs, l.Addr().String())
	}
	return out, addrs
}

func TestInheritedSocketsFindTheirServers(t *testing.T) {
	sockets, addrs := inherit(t, "shop", "shop", "admin")
	admin := HTTP(&http.Server{Addr: ":9"}, WithName("admin"))
	first := HTTP(&http.Server{Addr: ":1"}, WithName("first"))
	byPort := HTTP(&http.Server{Addr: addrs[0]}, WithName("by port"))
	p, err := planOf([]Component{first, byPort, admin})
	if err != nil {
		t.Fatal(err)
	}
	o := &origin{sockets: append([]socket(nil), sockets...)}
	if err := o.assign(p, slog.Default()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		part Component
		want *os.File
	}{{byPort, sockets[0].file}, {first, sockets[1].file}, {admin, sockets[2].file}} {
		if c.part.server.inherited.file != c.want {
			t.Errorf("%s has got the wrong socket", c.part.Name)
		}
	}
}

func TestInheritedSocketThatNobodyWantsIsRefused(t *testing.T) {
	sockets, _ := inherit(t, "shop", "metrics")
	p, err := planOf([]Component{HTTP(&http.Server{}, WithName("shop"))})
	if err != nil {
		t.Fatal(err)
	}
	err = (&origin{sockets: sockets}).assign(p, slog.Default())
	if err == nil || !strings.Contains(err.Error(), `"metrics"`) {
		t.Errorf("%v, want that nobody accepts on metrics", err)
	}
}

func TestReplacementThatListensElsewhereOpensItsOwn(t *testing.T) {
	sockets, addrs := inherit(t, "http", "admin")
	sockets[0].Shared, sockets[1].Shared = false, false
	moved := HTTP(&http.Server{Addr: "127.0.0.1:1"})
	same := HTTP(&http.Server{Addr: addrs[1]}, WithName("admin"))
	p, err := planOf([]Component{moved, same})
	if err != nil {
		t.Fatal(err)
	}
	if err := (&origin{replaces: 1, sockets: sockets}).assign(p, slog.Default()); err != nil {
		t.Fatal(err)
	}
	if moved.server.inherited.file != nil || same.server.inherited.file == nil {
		t.Error("want the socket of the one that has moved left, and the other taken")
	}
}
