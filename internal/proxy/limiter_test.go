package proxy

import (
	"encoding/binary"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	r := (&Rate{Requests: 10, Burst: 5}).withDefaults()
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	var l limiter
	now := int64(time.Hour)
	take := func(who netip.Addr) time.Duration { return l.take(who, now, r) }
	for n := range 5 {
		if d := take(a); d != 0 {
			t.Fatalf("request %d of the burst has to wait %s", n+1, d)
		}
	}
	for range 3 { // what is refused does not count
		if d := take(a); d != 100*time.Millisecond {
			t.Fatalf("beyond the burst: wait %s, want 100ms", d)
		}
	}
	if d := take(b); d != 0 {
		t.Errorf("another client has to wait %s", d)
	}
	for range 30 {
		now += int64(100 * time.Millisecond)
		if d := take(a); d != 0 {
			t.Fatalf("at the pace that is allowed: wait %s", d)
		}
	}
	now += int64(time.Minute)
	n := 0
	for take(a) == 0 {
		n++
	}
	if n != 5 {
		t.Errorf("after a rest: %d at once, want 5", n)
	}
}

// However many clients come, so many are kept; one who goes on sending is
// among them.
func TestLimiterIsBounded(t *testing.T) {
	r := (&Rate{Requests: 1, Per: time.Hour}).withDefaults()
	busy := netip.MustParseAddr("2001:db8::")
	var l limiter
	l.take(busy, 1, r)
	for n := range uint32(3 * clientsKept) {
		l.take(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n))), 1, r)
		if n%1000 == 0 && l.take(busy, 1, r) == 0 {
			t.Fatalf("forgot a client after %d others", n)
		}
	}
	kept := 0
	for k := range l.shards {
		kept += len(l.shards[k].young) + len(l.shards[k].old)
	}
	if kept > clientsKept || kept < clientsKept/2 {
		t.Errorf("%d clients are kept, want up to %d", kept, clientsKept)
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := network(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("%s counts as %s, want %s", in, got, want)
		}
	}
	if network(netip.Addr{}).IsValid() {
		t.Error("no address counts as one")
	}
}

func TestForwardedFor(t *testing.T) {
	h := http.Header{"X-Forwarded-For": {"1.1.1.1, 2.2.2.2:80", "[2001:db8::1]:443 ,bad"}}
	got := slices.Collect(forwardedFor(h))
	if want := []string{"bad", "[2001:db8::1]:443", "2.2.2.2:80", "1.1.1.1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for in, want := range map[string]string{"2.2.2.2:80": "2.2.2.2", "[2001:db8::1]:443": "2001:db8::1", "2001:db8::1": "2001:db8::1", "bad": "invalid IP", "": "invalid IP"} {
		if got := parseHop(in).String(); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestTakeCookie(t *testing.T) {
	for _, c := range []struct {
		header []string
		value  string
		left   []string
	}{
		{nil, "", nil},
		{[]string{"a=b; c=d"}, "", []string{"a=b; c=d"}},
		{[]string{"segue=x"}, "x", nil},
		{[]string{"a=b;segue=x; c=\"d\""}, "x", []string{"a=b; c=\"d\""}},
		{[]string{"a=b", "segue=x; segue=y"}, "x", []string{"a=b"}},
		{[]string{"seguer=1; xsegue=2; segue"}, "", []string{"seguer=1; xsegue=2"}},
		{[]string{"a==;;b"}, "", []string{"a==;;b"}},
	} {
		h := http.Header{}
		if c.header != nil {
			h["Cookie"] = slices.Clone(c.header)
		}
		if v := takeCookie(h, "segue"); v != c.value || !slices.Equal(h["Cookie"], c.left) {
			t.Errorf("%q: got %q, left %q; want %q and %q", c.header, v, h["Cookie"], c.value, c.left)
		}
	}
}

// FuzzCookie: whatever a client sends, its cookie is taken off whole, and no
// other is lost or made.
func FuzzCookie(f *testing.F) {
	f.Add("a=b; segue=x; c=d", "segue")
	f.Add(";;= ;segue", "segue")
	f.Add(";0", "0")
	f.Fuzz(func(t *testing.T, line, name string) {
		if !isToken(name) {
			return
		}
		others := func(line string) (out []string) {
			for pair := range strings.SplitSeq(line, ";") {
				if k, _, _ := strings.Cut(strings.Trim(pair, " \t"), "="); k != name {
					out = append(out, strings.Trim(pair, " \t"))
				}
			}
			return out
		}
		h := http.Header{"Cookie": {line}}
		takeCookie(h, name)
		left := strings.Join(h["Cookie"], ";")
		if got, want := others(left), others(line); len(h["Cookie"]) > 0 && !slices.Equal(got, want) || len(h["Cookie"]) == 0 && strings.Join(want, "") != "" {
			t.Errorf("of %q with %q: %q is left", line, name, left)
		}
		if v := takeCookie(h, name); v != "" {
			t.Errorf("of %q with %q: %q was left behind", line, name, v)
		}
	})
}

func FuzzForwardedFor(f *testing.F) {
	f.Add("1.1.1.1, 2.2.2.2:80")
	f.Fuzz(func(t *testing.T, line string) {
		n := 0
		for hop := range forwardedFor(http.Header{"X-Forwarded-For": {line}}) {
			parseHop(hop)
			n++
		}
		if want := strings.Count(line, ",") + 1; n != want {
			t.Errorf("%q has %d entries, got %d", line, want, n)
		}
	})
}
