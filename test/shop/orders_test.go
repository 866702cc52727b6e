package shop_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// An orderSystem is who the shop's jobs talk to: a witness from outside of when the
// sync ran, and of which shipments were booked. The real one would be another
// company's; it is a small server here.
type orderSystem struct {
	url   string
	rate  int // orders a second
	since time.Time

	mu     sync.Mutex
	closed int // the last order, when no more come
	asking int // calls under way
	runs   []syncRun
	sent   map[string]int // by shipment, how often it was said to be sent
	faults []string
}

// A syncRun is a run of the sync, or the part of one that an instance did: calls that
// came one after another.
type syncRun struct {
	id    string // as the shop says it: the time at which it was due, and the instance
	due   time.Time
	began time.Time
}

// every is how often the sync runs; the example says so.
const every = 5 * time.Second

var goods = []string{"beans", "cups", "filter", "grinder", "kettle", "press", "scale", "tea"}

func newOrderSystem(t *testing.T, rate int) *orderSystem {
	o := &orderSystem{rate: rate, since: time.Now(), sent: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", o.orders)
	mux.HandleFunc("POST /sent/{id}", o.ship)
	server := httptest.NewServer(mux)
	o.url = server.URL
	t.Cleanup(server.Close)
	return o
}

// An order as the shop reads it.
type order struct {
	Number            int
	Customer, Product string
	Pieces            int
}

func orderOf(n int) order {
	return order{n, fmt.Sprint("customer ", n%97), goods[n%len(goods)], 1 + n%3}
}

// orders takes a moment, as such systems do, in which another call would be seen.
func (o *orderSystem) orders(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.Atoi(r.FormValue("after"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	total := o.begin(r.Header.Get("Sync-Run"))
	defer o.end()
	select {
	case <-time.After(100 * time.Millisecond):
	case <-r.Context().Done(): // who asked was killed
		return
	}
	page := []order{}
	for n := after + 1; n <= min(total, after+100); n++ {
		page = append(page, orderOf(n))
	}
	_ = json.NewEncoder(w).Encode(page) // fails if who asked was killed
}

// begin notes a call, and what is wrong with it: another call is under way, or the run
// that it is of had given way to another.
func (o *orderSystem) begin(id string) (total int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	slot, _, _ := strings.Cut(id, " ")
	due, err := time.Parse(time.RFC3339, slot)
	if err != nil {
		o.fault("a run that says %q of itself", id)
	}
	if o.asking++; o.asking > 1 {
		o.fault("%d syncs at a time, %s", o.asking, id)
	}
	if len(o.runs) > 0 && o.runs[len(o.runs)-1].id == id {
		return o.total()
	}
	for _, r := range o.runs {
		if r.id == id {
			o.fault("%s goes on after %s has begun", id, o.runs[len(o.runs)-1].id)
		}
	}
	o.runs = append(o.runs, syncRun{id, due, now})
	return o.total()
}

func (o *orderSystem) fault(format string, args ...any) {
	o.faults = append(o.faults, time.Now().Format(clock)+" "+fmt.Sprintf(format, args...))
}

func (o *orderSystem) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asking--
}

// syncing reports whether a call of this instance is under way.
func (o *orderSystem) syncing(instance string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asking > 0 && strings.HasSuffix(o.runs[len(o.runs)-1].id, " "+instance)
}

func (o *orderSystem) total() int {
	if o.closed > 0 {
		return o.closed
	}
	return int(time.Since(o.since).Seconds() * float64(o.rate))
}

// close has no more orders come in.
func (o *orderSystem) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = max(1, o.total())
}

func (o *orderSystem) ship(_ http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent[r.PathValue("id")]++
}

// handled is how many shipments were booked, and how many of them more than once.
func (o *orderSystem) handled() (all, twice int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range o.sent {
		if n > 1 {
			twice++
		}
	}
	return len(o.sent), twice
}

// missed are the times at which a sync was due and none began, between the first and
// the last; again is how many runs were taken up by another instance.
func (o *orderSystem) missed() (due, again int, missed []time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := map[time.Time]int{}
	for _, r := range o.runs {
		seen[r.due.UTC()]++
	}
	if len(o.runs) == 0 {
		return 0, 0, nil
	}
	for s := o.runs[0].due.UTC(); !s.After(o.runs[len(o.runs)-1].due); s = s.Add(every) {
		due++
		if seen[s] == 0 {
			missed = append(missed, s)
		}
		again += max(0, seen[s]-1)
	}
	return due, again, missed
}

const clock = "15:04:05.000"

// times is how often a shipment was booked.
func (o *orderSystem) times(shipment string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent[shipment]
}
