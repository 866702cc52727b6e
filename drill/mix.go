package drill

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Mode is the kind of connection on which a request is sent.
type Mode string

// The modes, and how their client behaves.
const (
	// Fresh opens a connection for the request, says "Connection: close" as
	// one-shot clients do, and closes it. It meets accept queues and
	// listeners that come and go.
	Fresh Mode = "fresh"
	// KeptAlive uses one of a pool of persistent HTTP/1.1 connections (RFC
	// 9112 §9.3). It meets the server that closes one just as it is used.
	KeptAlive Mode = "kept_alive"
	// HTTP2 sends a stream on a shared HTTP/2 connection: with prior
	// knowledge on http URLs, by ALPN on https ones (RFC 9113 §3).
	HTTP2 Mode = "http2"
)

// modes in the order in which they are told.
var modes = [...]Mode{Fresh, KeptAlive, HTTP2}

// Words is the mode in words: "on fresh connections".
func (m Mode) Words() string {
	switch m {
	case Fresh:
		return "on fresh connections"
	case KeptAlive:
		return "kept alive"
	default:
		return "over HTTP/2"
	}
}

// Mix is the share of requests sent in each mode. Only the proportions count:
// {1, 1, 0} is half and half. The shares are kept exactly, not by chance.
type Mix struct {
	Fresh     float64 `json:"fresh"`
	KeptAlive float64 `json:"kept_alive"`
	HTTP2     float64 `json:"http2"`
}

// ParseMix reads "fresh=0.3,kept_alive=0.5,http2=0.2", or single names such as
// "http2", which stand for a share of 1. "keepalive" and "h2" are understood.
func ParseMix(s string) (Mix, error) {
	var m Mix
	for part := range strings.SplitSeq(s, ",") {
		name, value, has := strings.Cut(strings.TrimSpace(part), "=")
		share := 1.0
		if has {
			v, err := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
			if err != nil {
				return Mix{}, fmt.Errorf("drill: mix %q: %q is not a number", s, value)
			}
			share = v
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "fresh":
			m.Fresh = share
		case "kept_alive", "keptalive", "kept-alive", "keepalive", "keep-alive":
			m.KeptAlive = share
		case "http2", "h2", "h2c":
			m.HTTP2 = share
		default:
			return Mix{}, fmt.Errorf("drill: mix %q: %q is none of fresh, kept_alive, http2", s, name)
		}
	}
	return m, m.check()
}

func (m Mix) shares() [len(modes)]float64 {
	return [...]float64{m.Fresh, m.KeptAlive, m.HTTP2}
}

func (m Mix) check() error {
	sum := 0.0
	for _, s := range m.shares() {
		if s < 0 || math.IsInf(s, 0) || math.IsNaN(s) {
			return fmt.Errorf("drill: mix %+v: a share is a number of 0 or more", m)
		}
		sum += s
	}
	if sum <= 0 || math.IsInf(sum, 0) {
		return fmt.Errorf("drill: mix %+v: at least one share must be above 0", m)
	}
	return nil
}

// rotor picks among weights so that after any number of picks each has had its
// exact share, give or take one, and evenly spread (the "smooth weighted
// round-robin" of nginx).
type rotor struct {
	weight, current []float64
	sum             float64
}

func newRotor(weights []float64) *rotor {
	r := &rotor{weight: weights, current: make([]float64, len(weights))}
	for _, w := range weights {
		r.sum += w
	}
	return r
}

func (r *rotor) next() int {
	best := -1
	for i, w := range r.weight {
		if w == 0 {
			continue
		}
		r.current[i] += w
		if best < 0 || r.current[i] > r.current[best] {
			best = i
		}
	}
	r.current[best] -= r.sum
	return best
}
