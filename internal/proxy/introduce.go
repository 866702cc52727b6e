package proxy

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"
)

// introduce reads the PROXY header that connections from some networks begin
// with, within the bound for headers. What stands in it is the client from here
// on: for the forwarding fields, the access log, and whatever asks who it is.
// From anybody else such a header is no introduction, but the connection's first bytes.
func (l *listener) introduce(c *clientConn) error {
	v := l.p.table.Load().listeners[l.key]
	if v == nil || !contains(v.acceptProxy, c.sender.addr) {
		return nil
	}
	if v.limits.header > 0 {
		c.SetReadDeadline(time.Now().Add(v.limits.header))
		defer c.SetReadDeadline(time.Time{})
	}
	err := c.readProxyHeader()
	var bad badProxyHeader
	if errors.As(err, &bad) {
		l.p.stats.refusals.count("proxy-header")
		l.p.log.Debug("connection refused", "listener", l.key, "peer", c.sender.text, "error", err)
	}
	return err
}

func (c *clientConn) readProxyHeader() error {
	var buf []byte
	for {
		buf = slices.Grow(buf, 512)
		n, err := c.TCPConn.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return err
		}
		buf = buf[:len(buf)+n]
		h, used, err := parseProxyHeader(buf)
		if errors.Is(err, errMore) {
			continue
		}
		if err != nil {
			return err
		}
		c.header = h
		if c.early = buf[used:]; len(c.early) == 0 {
			c.early = nil
		}
		if h.from.IsValid() {
			c.sender = newSender(h.from.Addr(), c.tls)
		}
		return nil
	}
}

func contains(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// ends gives the client's address and the one it has connected to, as its
// PROXY header says, or as they are.
func (c *clientConn) ends() (from, to netip.AddrPort) {
	if c.header.from.IsValid() {
		return c.header.from, c.header.to
	}
	remote, _ := c.RemoteAddr().(*net.TCPAddr)
	local, _ := c.LocalAddr().(*net.TCPAddr)
	if remote == nil || local == nil {
		return from, to
	}
	return remote.AddrPort(), local.AddrPort()
}
