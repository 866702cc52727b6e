package proxy

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// stats counts. Requests touch nothing but atomics that their instance points
// to; the names are put together when somebody asks.
//
// The text format is written here rather than by client_golang, which would
// bring more than it saves.
type stats struct {
	mu       sync.Mutex
	services map[string]*serviceStats
	refusals counts
	goodbyes counts
}

// counts counts by a word.
type counts struct {
	mu sync.Mutex
	n  map[string]int64
}

func (c *counts) count(word string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int64{}
	}
	c.n[word]++
}

func (c *counts) write(m metrics, name, label string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, word := range sortedKeys(c.n) {
		m.value(name, float64(c.n[word]), label, word)
	}
}

type serviceStats struct {
	mu       sync.Mutex
	name     string
	releases map[string]*releaseStats
	order    []string     // of the releases' coming
	none     releaseStats // requests that no instance answered
}

// releaseStats is what the instances of one release have answered.
type releaseStats struct {
	name          string
	users, copies tally

	codes   [6]atomic.Int64 // by class: [1] 1xx (a 101) … [5] 5xx; [0] broken off
	buckets [len(bounds) + 1]atomic.Int64
	sum     atomic.Int64 // nanoseconds
}

// bounds are the duration histogram's, in nanoseconds.
var bounds = [...]int64{500e3, 1e6, 25e5, 5e6, 10e6, 25e6, 50e6, 100e6, 250e6, 500e6, 1e9, 25e8, 5e9, 10e9, 30e9}

// releasesKept bounds the memory of a service that is deployed for years.
const releasesKept = 20

func (s *stats) service(name string) *serviceStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.services == nil {
		s.services = map[string]*serviceStats{}
	}
	v := s.services[name]
	if v == nil {
		v = &serviceStats{name: name, releases: map[string]*releaseStats{}}
		s.services[name] = v
	}
	return v
}

func (s *stats) dropService(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.services, name)
}

func (s *serviceStats) release(name string) *releaseStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.releases[name]
	if v == nil {
		v = &releaseStats{name: name}
		s.releases[name] = v
		s.order = append(s.order, name)
		if len(s.order) > releasesKept {
			delete(s.releases, s.order[0])
			s.order = slices.Delete(s.order, 0, 1)
		}
	}
	return v
}

func (r *releaseStats) observe(status int, took int64) {
	class := status / 100
	if class > 5 || status == 499 {
		class = 0
	}
	r.codes[class].Add(1)
	i := 0
	for i < len(bounds) && took > bounds[i] {
		i++
	}
	r.buckets[i].Add(1)
	r.sum.Add(took)
}

// record counts and logs an exchange that has ended.
func (x *exchange) record() {
	x.endMirror()
	took := x.p.clock() - x.start
	if x.target != nil {
		r := &x.target.service.stats.none
		if x.in != nil {
			r = x.in.stats
			if x.status >= 500 {
				x.in.answers5xx.Add(1)
			}
			x.judge()
		}
		r.observe(x.status, took)
	}
	if x.p.logf.on.Load() {
		x.p.logf.add(func(b []byte) []byte { return x.entry(took).append(b) })
	}
}

var classes = [6]string{"broken", "1xx", "2xx", "3xx", "4xx", "5xx"}

// metrics is one rendering of all there is to tell, in the Prometheus text
// exposition format 0.0.4.
type metrics struct{ w io.Writer }

func (m metrics) head(name, kind, help string) {
	fmt.Fprintf(m.w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (m metrics) value(name string, v float64, labels ...string) {
	io.WriteString(m.w, name)
	for i := 0; i+1 < len(labels); i += 2 {
		sep := ","
		if i == 0 {
			sep = "{"
		}
		fmt.Fprintf(m.w, `%s%s="%s"`, sep, labels[i], labelEscape.Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		io.WriteString(m.w, "}")
	}
	io.WriteString(m.w, " "+strconv.FormatFloat(v, 'g', -1, 64)+"\n")
}

var labelEscape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (p *proxy) writeMetrics(w io.Writer) {
	m := metrics{w}
	p.stats.writeRequests(m)
	m.head("segue_refusals_total", "counter", "Requests that the proxy itself refused.")
	p.stats.refusals.write(m, "segue_refusals_total", "reason")
	m.head("segue_goodbyes_total", "counter", "Exchanges that were ended because their instance or the proxy leaves.")
	p.stats.goodbyes.write(m, "segue_goodbyes_total", "kind")
	st := p.status()
	m.head("segue_in_flight", "gauge", "Requests that an instance is working on.")
	for _, s := range st.Services {
		for _, i := range s.Instances {
			m.value("segue_in_flight", float64(i.InFlight), "service", s.Name, "release", i.Release, "instance", i.ID, "state", i.State)
		}
	}
	m.head("segue_held", "gauge", "Requests that wait for an instance.")
	for _, s := range st.Services {
		m.value("segue_held", float64(s.Held), "service", s.Name)
	}
	m.head("segue_maintenance", "gauge", "1 while a service's requests, or those that write, are refused for maintenance; else 0.")
	for _, s := range st.Services {
		closed := 0.0
		if s.Closed != "" {
			closed = 1
		}
		m.value("segue_maintenance", closed, "service", s.Name)
	}
	m.head("segue_paused", "gauge", "Seconds that a service's requests are still parked; 0 without a pause.")
	for _, s := range st.Services {
		m.value("segue_paused", s.Paused.Seconds(), "service", s.Name)
	}
	m.head("segue_ejected", "gauge", "Instances that are put aside as they fail again and again.")
	for _, s := range st.Services {
		n := 0
		for _, i := range s.Instances {
			if i.Ejected > 0 {
				n++
			}
		}
		m.value("segue_ejected", float64(n), "service", s.Name)
	}
	m.head("segue_retries_total", "counter", "Attempts after the first.")
	for _, s := range st.Services {
		m.value("segue_retries_total", float64(s.Retries), "service", s.Name)
	}
	m.head("segue_mirror_total", "counter", "Copies of requests, by how their answers compare.")
	for _, s := range st.Services {
		if c := s.Mirror; c != nil {
			for result, n := range [...]int64{c.Same, c.Status, c.Body, c.Failed, c.Skipped} {
				m.value("segue_mirror_total", float64(n), "service", s.Name, "result", mirrorWords[result])
			}
		}
	}
	m.shedding(st.Services)
	m.head("segue_connections", "gauge", "Open client connections.")
	m.value("segue_connections", float64(st.Connections))
	m.head("segue_connections_accepted_total", "counter", "Client connections accepted.")
	m.value("segue_connections_accepted_total", float64(st.Accepted))
	m.head("segue_path_requests_total", "counter", "Requests by the path they took: those that an event loop sent, and all others.")
	m.value("segue_path_requests_total", float64(st.Fast), "path", "fast")
	m.value("segue_path_requests_total", float64(st.General), "path", "general")
	m.head("segue_access_log_dropped_total", "counter", "Access log lines that the disk did not take in time.")
	m.value("segue_access_log_dropped_total", float64(p.logf.dropped.Load()))
}

func (s *stats) writeRequests(m metrics) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.head("segue_requests_total", "counter", "Requests by the class of their answer; no release where no instance was found.")
	s.each(func(service, release string, r *releaseStats) {
		for i := range r.codes {
			if n := r.codes[i].Load(); n > 0 {
				m.value("segue_requests_total", float64(n), "service", service, "release", release, "code", classes[i])
			}
		}
	})
	m.head("segue_request_duration_seconds", "histogram", "From a request's header to the end of its answer.")
	s.each(func(service, release string, r *releaseStats) {
		const name = "segue_request_duration_seconds"
		var n int64
		for i := range r.buckets {
			n += r.buckets[i].Load()
			le := "+Inf"
			if i < len(bounds) {
				le = strconv.FormatFloat(float64(bounds[i])/1e9, 'g', -1, 64)
			}
			m.value(name+"_bucket", float64(n), "service", service, "release", release, "le", le)
		}
		m.value(name+"_sum", float64(r.sum.Load())/1e9, "service", service, "release", release)
		m.value(name+"_count", float64(n), "service", service, "release", release)
	})
}

// each visits every release of every service, in order; s.mu is held.
func (s *stats) each(f func(service, release string, r *releaseStats)) {
	for _, name := range sortedKeys(s.services) {
		v := s.services[name]
		v.mu.Lock()
		f(name, "", &v.none)
		for _, release := range v.order {
			if release != "" {
				f(name, release, v.releases[release])
			}
		}
		v.mu.Unlock()
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
