//go:build bench

package bench

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// A scenario is a load. To add one is to add a line.
type scenario struct {
	name    string
	path    string
	conns   int
	streams int      // requests at once on each connection, by HTTP/2 over TLS; 0 is HTTP/1.1 in plaintext
	head    []string // request headers beside Host
	all     bool     // variants of Segue are measured too
}

func (s scenario) tls() bool { return s.streams > 0 }

// many is 10,000 connections, or as many as a process may have while it has
// another to the instance for each.
func many() int {
	if quick {
		return 2000
	}
	return min(10_000, (openFiles-200)/2)
}

func scenarios() []scenario {
	const plain, edge = "HTTP/1.1, ", "TLS + HTTP/2, "
	most := thousands(many())
	return []scenario{
		{plain + "100 B, 64 connections", "/", 64, 0, nil, true},
		{plain + "100 B, 64 connections, a browser's header", "/", 64, 0, browser, true},
		{plain + "100 KiB, 64 connections", "/100k", 64, 0, nil, true},
		{plain + "100 B, 1,000 connections", "/", 1000, 0, nil, false},
		{plain + "100 KiB, 1,000 connections", "/100k", 1000, 0, nil, false},
		{plain + "100 B, " + most + " connections", "/", many(), 0, nil, false},
		{plain + "100 KiB, " + most + " connections", "/100k", many(), 0, nil, false},
		{edge + "100 B, 64 connections × 10 streams", "/", 64, 10, nil, false},
		{edge + "100 KiB, 64 connections × 10 streams", "/100k", 64, 10, nil, false},
		{edge + "100 B, 1,000 connections × 1 stream", "/", 1000, 1, nil, false},
		{edge + "100 KiB, 1,000 connections × 1 stream", "/100k", 1000, 1, nil, false},
		{edge + "100 B, " + most + " connections × 1 stream", "/", many(), 1, nil, false},
	}
}

// chosen are the scenarios of one protocol, or those of them with
// SEGUE_BENCH_SCENARIO in their name.
func chosen(tls bool) (list []scenario) {
	for _, s := range scenarios() {
		if s.tls() == tls && strings.Contains(s.name, os.Getenv("SEGUE_BENCH_SCENARIO")) {
			list = append(list, s)
		}
	}
	return list
}

// warm is how long a scenario is driven before it is looked at. All its
// connections are made meanwhile.
func (s scenario) warm() time.Duration {
	perSecond := 2000
	if s.tls() {
		perSecond = 900 // for the handshakes
	}
	return time.Second + time.Duration(s.conns/perSecond)*time.Second
}

var browser = []string{
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
	"Accept-Language: en-US,en;q=0.5",
	"Accept-Encoding: gzip, deflate, br, zstd",
	"Referer: http://shop.example/basket?from=search&page=3",
	"Cookie: session=3f0c9a7be7d94a1c8a0a6b2f7e5d1c44; theme=dark; consent=1",
	"Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: same-origin",
	"Upgrade-Insecure-Requests: 1",
}

// An outcome is what a load generator tells of one window.
type outcome struct {
	requests int64
	took     time.Duration
}

func (o outcome) perSecond() float64 { return float64(o.requests) / o.took.Seconds() }

// load warms a peer up, drives it for the span, and calls begin and end at
// both ends of the latter. Up to a hundred plaintext connections are wrk's, which takes
// less of the CPU that it shares with the upstream; h2load does the rest, and
// makes its connections before the window begins.
func (b *bench) load(s scenario, addr string, begin, end func()) (o outcome, err error) {
	if s.tls() || s.conns > 100 {
		return b.h2load(s, addr, begin, end)
	}
	if _, err = b.wrk(s, addr, s.warm()); err != nil {
		return o, err
	}
	begin()
	o, err = b.wrk(s, addr, span)
	end()
	return o, err
}

// loadURL names the proxy so that all peers find their certificate by it.
func loadURL(tls bool, addr, path string) string {
	if !tls {
		return "http://" + addr + path
	}
	return fmt.Sprintf("https://%s:%s%s", certName, portOf(addr), path)
}
