//go:build bench

package bench

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What h2load (nghttp2 1.52) prints: that its window begins and ends, as it
// does; which protocols were agreed; and afterwards, of the window, the sums.
const (
	h2loadBegins   = "Main benchmark duration is started"
	h2loadEnds     = "Main benchmark duration is over"
	h2loadProtocol = "Application protocol: "
	h2loadTLS      = "TLS Protocol: TLSv1.3\n"

	// h2loadSlack is what it may take longer. It waits for ever for connections
	// that were not made by the end of its window.
	h2loadSlack = 10 * time.Second
)

var (
	h2loadSums   = regexp.MustCompile(`(?m)^requests: .*, (\d+) done, \d+ succeeded, (\d+) failed, (\d+) errored, (\d+) timeout`)
	h2loadStatus = regexp.MustCompile(`(?m)^status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx`)
)

// h2load asks as fast as it is answered. It makes all connections at once,
// warms up, and then has a window of its own, whose ends begin and end follow.
func (b *bench) h2load(s scenario, addr string, begin, end func()) (o outcome, err error) {
	b.t.Helper()
	argv := []string{"h2load", "-t1", fmt.Sprint("-c", s.conns), fmt.Sprint("-m", max(s.streams, 1)),
		fmt.Sprint("--warm-up-time=", int(s.warm().Seconds())), fmt.Sprint("-D", int(span.Seconds())),
		"--connect-to=" + addr, "--tls13-ciphers=TLS_AES_128_GCM_SHA256"} // the same for all
	protocol := "h2"
	if !s.tls() {
		argv, protocol = append(argv, "--h1"), "http/1.1"
	}
	for _, h := range s.head {
		argv = append(argv, "-H", h)
	}
	_, cpu, _ := cpus()
	began, ended := false, false
	out, err := b.lines(s.warm()+span+h2loadSlack, cpu, append(argv, loadURL(s.tls(), addr, s.path)), func(line string) {
		switch {
		case strings.HasPrefix(line, h2loadBegins):
			began = true
			begin()
		case strings.HasPrefix(line, h2loadEnds):
			ended = true
			end()
		}
	})
	if err != nil {
		if ended {
			err = fmt.Errorf("%w, and h2load waits for the rest: %w", errUnready, err)
		}
		return o, err
	}
	if !began || !ended {
		return o, fmt.Errorf("h2load told no begin or no end of its window:\n%s", out)
	}
	if !strings.Contains(out, h2loadProtocol+protocol+"\n") || s.tls() && !strings.Contains(out, h2loadTLS) {
		return o, fmt.Errorf("h2load did not get %s, or not by TLS 1.3:\n%s", protocol, out)
	}
	return h2loadResult(out)
}

func h2loadResult(out string) (outcome, error) {
	sums, status := numbers(h2loadSums, out), numbers(h2loadStatus, out)
	if sums == nil || status == nil {
		return outcome{}, fmt.Errorf("h2load told no sums:\n%s", out)
	}
	done, wrong := sums[0], int64(0)
	for _, n := range slices.Concat(sums[1:], status) {
		wrong += n
	}
	if wrong > 0 || done == 0 { // 2xx may differ from done: it is counted when an answer begins
		return outcome{}, fmt.Errorf("h2load: %d of %d requests went wrong", wrong, done)
	}
	return outcome{done, span}, nil
}

// numbers are the groups of the first match; nil is none.
func numbers(re *regexp.Regexp, s string) (list []int64) {
	m := re.FindStringSubmatch(s)
	for n := 1; n < len(m); n++ {
		v, err := strconv.ParseInt(m[n], 10, 64)
		if err != nil {
			return nil
		}
		list = append(list, v)
	}
	return list
}
