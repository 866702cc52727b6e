package shop_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/store/open"
)

// A run is one drive of the shop, and what is to be seen at its end.
type run struct {
	segue string // the binary
	users int
	think time.Duration
	rate  int      // orders a second
	store string   // its URL; empty: the file that the agent gives
	env   []string // of both services, besides
	*fleet
	ledger   *ledger
	orders   *orderSystem
	crowd    *crowd
	screens  *screens
	began    time.Time
	servers  int // that were killed
	kills    int // of instances
	killings []killing
}

// A killing is one after which a sync may be late.
type killing struct {
	at  time.Time
	who string
}

func (k killing) String() string { return k.who + " at " + k.at.Format(clock) }

// late is how long after a killing a sync may be left out: a lease (three seconds)
// goes by, the run that was cut off is done again, and what is due meanwhile is
// skipped, as two never run side by side.
const late = 2 * every

// begin deploys the shop and lets people in.
func begin(t *testing.T, r run) *run {
	t.Helper()
	if r.store != "" {
		r.env = append(r.env, "SEGUE_STORE="+r.store)
	}
	r.ledger, r.orders, r.began = newLedger(), newOrderSystem(t, r.rate), time.Now()
	r.fleet = newFleet(t, r.segue, r.orders, r.env...)
	if r.store == "" {
		r.store = (&url.URL{Scheme: "sqlite", Path: filepath.Join(r.State, "stores", "shop.db")}).String()
	}
	r.screens = newScreens(t, r.URL(), r.ledger, 12)
	r.crowd = newCrowd(t, r.URL(), r.ledger, r.users, r.think)
	return &r
}

// killAPI kills an instance of api that has requests in hand. They may fail, and are
// asked again.
func (r *run) killAPI() {
	r.kills++
	r.ledger.fault(5 * time.Second)
	r.kill("api", func(i control.InstanceStatus) bool { return i.InFlight > r.screens.at(i.ID) })
}

// killSync kills the instance of jobs that syncs, in the middle of it.
func (r *run) killSync() {
	r.kills++
	r.kill("jobs", func(i control.InstanceStatus) bool { return r.orders.syncing(i.ID) })
	r.killings = append(r.killings, killing{time.Now(), "the sync"})
}

// crash kills a server, and starts it again.
func (r *run) crash(s *servertest.Server, window time.Duration) {
	r.T.Helper()
	if s == nil {
		return
	}
	if window > 0 {
		r.ledger.fault(window)
	}
	r.servers++
	r.killings = append(r.killings, killing{time.Now(), "the server"})
	s.Kill(r.T)
	s.Start(r.T)
}

// syncs waits until n syncs have begun.
func (r *run) syncs(n int) {
	r.T.Helper()
	r.Until(fmt.Sprint(n, " syncs have begun"), func() bool { due, _, _ := r.orders.missed(); return due >= n })
}

// finish has everybody go home, and reads the books.
func (r *run) finish() {
	r.T.Helper()
	r.crowd.over()
	r.orders.close()
	auditor := r.auditor()
	shipments := r.allPacked(auditor)
	r.allHandled(shipments)
	r.stock(auditor, shipments)
	r.screens.over()
	r.nothingParked()
	r.report(shipments)
}

// auditor logs in as somebody who only looks.
func (r *run) auditor() *user {
	u, err := newUser(r.URL(), r.ledger, "auditor")
	if err != nil {
		r.T.Fatal(err)
	}
	r.T.Cleanup(u.http.CloseIdleConnections)
	if !u.login() {
		r.T.Error("the auditor cannot log in")
	}
	return u
}

type packed struct {
	ID, Product, By string
	Pieces          int
}

// allPacked asks who has packed each shipment there may be, and holds it to what
// people were told.
func (r *run) allPacked(auditor *user) (all []packed) {
	r.T.Helper()
	for n := 1; n <= r.orders.closed; n++ {
		var p packed
		id := fmt.Sprintf("%08d", n)
		code := auditor.ask("GET", "/shipments/"+id, nil, &p)
		told := r.ledger.packed[id]
		if code == http.StatusOK {
			all = append(all, p)
			if told == "" {
				told = r.ledger.unsure[id]
			}
		}
		if p.By != told {
			r.T.Errorf("shipment %s was packed by %q (%d), and %q was told that he has", id, p.By, code, told)
		}
	}
	return all
}

// allHandled waits until the order system was told of each.
func (r *run) allHandled(shipments []packed) {
	r.T.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) { // the order system is asked by nobody else
		if n, _ := r.orders.handled(); n >= len(shipments) {
			break
		}
	}
	for _, p := range shipments {
		if r.orders.times(p.ID) == 0 {
			r.T.Errorf("shipment %s was packed, and the message that says so is lost", p.ID)
		}
	}
	if n, _ := r.orders.handled(); n != len(shipments) {
		r.T.Errorf("%d shipments were booked, and %d packed", n, len(shipments))
	}
}

// delivered is how many pieces of each product the example begins with.
const delivered = 10000

// stock wants each shipment booked exactly once, by the pieces that are left.
func (r *run) stock(auditor *user, shipments []packed) {
	r.T.Helper()
	left := map[string]int{}
	for _, g := range goods {
		left[g] = delivered
	}
	for _, p := range shipments {
		left[p.Product] -= p.Pieces
	}
	for _, g := range goods {
		got := 0
		for deadline := time.Now().Add(lag); got != left[g] && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			var item struct{ Pieces int }
			auditor.ask("GET", "/products/"+g, nil, &item)
			got = item.Pieces
		}
		if got != left[g] {
			r.T.Errorf("%d pieces of %s are left, and by what was packed it should be %d", got, g, left[g])
		}
	}
}

// skipped is how many of the syncs that were missed came late after a killing.
func (r *run) skipped(missed []time.Time) (n int) {
	for _, m := range missed {
		if slices.ContainsFunc(r.killings, func(k killing) bool { return m.After(k.at) && m.Before(k.at.Add(late)) }) {
			n++
		}
	}
	return n
}

// history is what the job says of itself.
func (r *run) history() string {
	s, err := open.Store(r.T.Context(), r.store)
	if err != nil {
		return err.Error()
	}
	defer s.Close()
	runs, err := job.NewControl(s).History(r.T.Context(), "sync-orders", job.HistoryKept)
	lines := []string{fmt.Sprint(err)}
	for _, one := range runs {
		lines = append(lines, fmt.Sprintf("%s %s to %s %s by %s: %s", one.Slot.Format(time.TimeOnly), one.Started.Format(clock), one.Ended.Format(clock), one.Outcome, one.Runner.Instance, one.Why))
	}
	return strings.Join(lines, "\n")
}

// nothingParked wants no message that a handler could not take.
func (r *run) nothingParked() {
	r.T.Helper()
	s, err := open.Store(r.T.Context(), r.store)
	if err != nil {
		r.T.Fatal(err)
	}
	defer s.Close()
	parked, err := message.NewParked(s).List(r.T.Context())
	if err != nil {
		r.T.Error(err)
	}
	for _, p := range parked {
		r.T.Errorf("parked: %+v", p)
	}
}

// report shows the books, and fails the test for what is wrong in them.
func (r *run) report(shipments []packed) {
	r.T.Helper()
	l := r.ledger
	handled, handledTwice := r.orders.handled()
	slots, taken, missed := r.orders.missed()
	skipped := r.skipped(missed)
	instances, told, toldTwice, missing := r.screens.told()
	prices := 0
	for _, p := range l.prices {
		prices += len(p)
	}
	var b strings.Builder
	for _, row := range [][2]any{
		{"users", l.loggedIn},
		{"requests", l.requests},
		{"lost", len(l.lost)},
		{"asked again after a kill -9", l.again},
		{"logins lost", len(l.logins)},
		{"answers staler than " + lag.String(), len(l.stale)},
		{"shipments packed", len(shipments)},
		{"packed twice", len(l.twice)},
		{"events to one: handled, twice", fmt.Sprintf("%d, %d", handled, handledTwice)},
		{"events to all: sent, told to screens, twice, missing", fmt.Sprintf("%d, %d at %d instances, %d, %d", prices, told, instances, toldTwice, len(missing))},
		{"syncs due, missed, overlapping", fmt.Sprintf("%d, %d, %d", slots, len(missed)-skipped, len(r.orders.faults))},
		{"syncs taken up by another, skipped after a kill -9", fmt.Sprintf("%d, %d", taken, skipped)},
		{"deploys, servers killed, instances killed", fmt.Sprintf("%d, %d, %d", r.deploys, r.servers, r.kills)},
		{"time", time.Since(r.began).Round(time.Second)},
	} {
		fmt.Fprintf(&b, "%-52s %v\n", row[0], row[1])
	}
	r.T.Logf("\n%s", b.String())
	for what, wrong := range map[string][]string{"lost requests": l.lost, "lost logins": l.logins, "stale answers": l.stale,
		"packed twice": l.twice, "not told to all": missing, "syncs side by side": r.orders.faults} {
		if len(wrong) > 0 {
			r.T.Errorf("%s: %d\n%s", what, len(wrong), strings.Join(wrong[:min(len(wrong), 8)], "\n"))
		}
	}
	if skipped < len(missed) {
		r.T.Errorf("syncs that were due at %v have not begun; the killings: %v; what the job says:\n%s", missed, r.killings, r.history())
	}
	if l.loggedIn < r.users || len(shipments) == 0 || prices == 0 || slots == 0 {
		r.T.Error("that was no work")
	}
	if handledTwice > 0 && r.kills+r.servers == 0 {
		r.T.Errorf("%d messages were handled twice, and nobody was killed", handledTwice)
	}
}
