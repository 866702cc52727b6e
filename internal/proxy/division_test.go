package proxy

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// team makes instances of releases, two of each.
func team(releases ...string) (list []*instance) {
	for _, r := range releases {
		for n := range 2 {
			list = append(list, &instance{Instance: Instance{ID: fmt.Sprint(r, n), Release: r}})
		}
	}
	return list
}

func sharesOf(weights ...int) (s []Share) {
	for n, w := range weights {
		s = append(s, Share{fmt.Sprint(n), w})
	}
	return s
}

// Every lot has one release, each release its share of them, and the last one with
// a weight the low ones.
func TestLots(t *testing.T) {
	for _, weights := range [][]int{{100, 0}, {0, 100}, {95, 5}, {1, 1, 1}, {0, 3, 0, 4}, {999_999, 1}, {1, 1_000_000}, {7, 11, 13, 17}} {
		d := divide(&Split{Shares: sharesOf(weights...)}, team("0", "1", "2", "3"))
		got := make([]int, len(weights))
		before := len(weights)
		for lot := range uint32(lots) {
			release, crew, _ := d.side(&wish{lot: lot})
			n := int(release[0] - '0')
			if n > before {
				t.Fatalf("%v: release %d has lots behind those of %d", weights, n, before)
			}
			if before = n; len(crew) != 2 || crew[0].Release != release {
				t.Fatalf("%v: release %s with the instances %v", weights, release, crew)
			}
			got[n]++
		}
		sum := (&Split{Shares: sharesOf(weights...)}).weight()
		for n, w := range weights {
			if share := float64(w) * lots / float64(sum); math.Abs(float64(got[n])-share) > 1 {
				t.Errorf("%v: release %d has %d of %d lots", weights, n, got[n], lots)
			}
		}
	}
}

// With two releases, whoever has the new one keeps it as its share grows.
func TestLotsOnlyMoveForward(t *testing.T) {
	with := func(percent int, lot uint32) bool {
		d := divide(&Split{Shares: sharesOf(100-percent, percent)}, nil)
		release, _, _ := d.side(&wish{lot: lot})
		return release == "1"
	}
	for lot := uint32(0); lot < lots; lot += 7 {
		was := false
		for percent := range 101 {
			is := with(percent, lot)
			if was && !is {
				t.Fatalf("lot %d leaves at %d %%", lot, percent)
			}
			was = is
		}
	}
}

// Addresses are spread evenly, as they come: in a row, or by their networks.
func TestLotsOfAddresses(t *testing.T) {
	const n = 20_000
	for name, addr := range map[string]func(i int) string{
		"in a row":    func(i int) string { return fmt.Sprintf("10.0.%d.%d", i>>8, i&255) },
		"networks":    func(i int) string { return fmt.Sprintf("%d.%d.0.1", i>>8, i&255) },
		"of IPv6":     func(i int) string { return fmt.Sprintf("2001:db8:%x:%x::1", i>>8, i&255) },
		"by a mapped": func(i int) string { return fmt.Sprintf("::ffff:10.0.%d.%d", i>>8, i&255) },
	} {
		var tenths [10]int
		for i := range n {
			tenths[lotOf("shop", netip.MustParseAddr(addr(i)))/(lots/10)]++
		}
		for tenth, got := range tenths {
			if math.Abs(float64(got)-n/10) > 5*math.Sqrt(n*0.1*0.9) {
				t.Errorf("%s: %d of %d in the tenth %d", name, got, n, tenth)
			}
		}
	}
	a := netip.MustParseAddr("10.0.0.1")
	if lotOf("shop", a) != lotOf("shop", netip.MustParseAddr("::ffff:10.0.0.1")) || lotOf("shop", a) == lotOf("blog", a) {
		t.Error("an address is not itself, or is the same to all services")
	}
	if lotOf("shop", a) != 499 {
		t.Errorf("lot %d: a proxy of another version would disagree", lotOf("shop", a))
	}
	lotOf("shop", netip.Addr{}) // of a peer without an address
}

// FuzzSplit: whatever a request says, it gets an instance of the release that it
// is for, and nothing that it says costs memory.
func FuzzSplit(f *testing.F) {
	f.Add(uint32(3), "try=17; beta=1", "x")
	f.Add(uint32(9999), strings.Repeat("beta;", 1000), "")
	f.Add(uint32(0), ";;=;beta==1;\tbeta=1\t", "1")
	list := team("0", "1", "2")
	tg := &target{instances: list, division: divide(&Split{Shares: sharesOf(50, 50), Cookie: "try", Matches: []SplitMatch{
		{Release: "2", Cookie: "beta", Value: "1"}, {Release: "2", Header: "X-Beta", Value: "1", Only: true},
	}}, list)}
	f.Fuzz(func(t *testing.T, lot uint32, cookie, field string) {
		w := &wish{lot: lot % lots, header: http.Header{"Cookie": {cookie, cookie}, "X-Beta": {field}}}
		matches := field == "1" || slices.ContainsFunc(strings.Split(cookie, ";"), func(pair string) bool { return strings.Trim(pair, " \t") == "beta=1" })
		in := tg.choose(w, 1, nil)
		if in == nil || (in.Release == "2") != matches {
			t.Errorf("%q, %q: chosen is %v, matches: %v", cookie, field, in, matches)
		}
		if n := testing.AllocsPerRun(1, func() { tg.choose(w, 1, nil) }); n > 8 {
			t.Errorf("%q: a choice takes memory %v times", cookie, n)
		}
		h := http.Header{"Cookie": {cookie}}
		if lot, ok := parseLot(takeCookie(h, "try")); ok && lot >= lots {
			t.Errorf("%q: lot %d", cookie, lot)
		}
		if len(h["Cookie"]) > 0 && len(h["Cookie"][0]) > 2*len(cookie) {
			t.Errorf("%q has become longer than twice: %q", cookie, h["Cookie"])
		}
	})
}

// Taking a cookie off costs little, be there as many as a header can hold.
func TestTakeCookieAllocatesLittle(t *testing.T) {
	line := strings.Repeat("a;", 32<<10)
	for name, c := range map[string]struct {
		line string
		most float64
	}{"not there": {line, 0}, "there": {line + "try=1", 3}} {
		h := http.Header{}
		value := []string{c.line}
		n := testing.AllocsPerRun(10, func() {
			h["Cookie"] = value
			takeCookie(h, "try")
		})
		if n > c.most {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	list := team("0", "1")
	for name, s := range map[string]*Split{"no split": nil, "shares": {Shares: sharesOf(50, 50)},
		"matches": {Shares: sharesOf(50, 50), Matches: []SplitMatch{{Release: "1", Header: "X-Beta"}}}} {
		tg := &target{instances: list, division: divide(s, list)}
		w := &wish{header: http.Header{}}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w.lot = drawLot()
				tg.choose(w, 1, nil)
			}
		})
	}
}
