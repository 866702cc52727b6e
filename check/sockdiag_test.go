package check

import (
	"net"
	"slices"
	"testing"
)

// What sock_diag tells is what /proc shows, of listeners and of both ends of a
// connection, by IPv4, by IPv6, and by IPv4 on a socket of IPv6.
func TestSocketsAsProcShowsThem(t *testing.T) {
	t.Parallel()
	for listen, dial := range map[string]string{"127.0.0.1:0": "127.0.0.1", "[::1]:0": "::1", ":0": "127.0.0.1"} {
		l, err := net.Listen("tcp", listen)
		if err != nil {
			t.Logf("%s: %v", listen, err) // no IPv6
			continue
		}
		defer l.Close()
		port := l.Addr().(*net.TCPAddr).Port
		c, err := net.Dial("tcp", net.JoinHostPort(dial, portString(l)))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("unread")); err != nil {
			t.Fatal(err)
		}
		waiting := func(s socket) bool { return s.local == port && s.state == listening }
		if !slices.ContainsFunc(listeningSockets(), waiting) {
			t.Errorf("%s: the listener is not seen", listen)
		}
		near, far := c.LocalAddr().(*net.TCPAddr), c.RemoteAddr().(*net.TCPAddr)
		have, ok := socketBetween(far, near)
		table := sockets()
		i := slices.IndexFunc(table, func(s socket) bool { return s.local == port && s.remote == near.Port })
		if !ok || i < 0 {
			t.Fatalf("%s: the server's end is not seen: %v, in /proc at %d", listen, ok, i)
		}
		if want := table[i]; have != want || have.unread != 6 || have.inode != "0" {
			t.Errorf("%s: %+v, want %+v, with 6 bytes unread and not accepted", listen, have, want)
		}
		other := *near
		other.Port = 1
		if s, ok := socketBetween(far, &other); ok {
			t.Errorf("%s: a connection that is not there is seen: %+v", listen, s)
		}
	}
}

func portString(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
