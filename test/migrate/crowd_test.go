package migrate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/migrate/shape"
)

// A crowd writes all the time, at a constant rate, and remembers what was
// acknowledged. A write is sent once: it cannot be repeated, and an answer other
// than 200 is a write that was lost.
type crowd struct {
	t     testing.TB
	url   string
	fresh *http.Client // a connection for each request
	kept  *http.Client

	mu    sync.Mutex
	model model
	ids   map[string][]string // that were acknowledged, to choose from
	n     int                 // writes begun
	done  int                 // and acknowledged
	lost  []string
	by    map[int]int // how many each release has acknowledged

	pace   sync.RWMutex // held for reading by each write, for writing while it is paused
	cancel context.CancelFunc
	over   sync.WaitGroup
}

// rate is how many writes a second there are.
const rate = 100

func newCrowd(t testing.TB, url string) *crowd {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{t: t, url: url, model: newModel(), ids: map[string][]string{}, by: map[int]int{}, cancel: cancel,
		fresh: &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}},
		kept:  &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
	for _, what := range []string{shape.Orders, shape.Customers} {
		for id := range c.model[what] {
			c.ids[what] = append(c.ids[what], id)
		}
	}
	c.over.Go(func() { c.run(ctx) })
	t.Cleanup(c.stop)
	return c
}

// stop ends it, and waits for its last write.
func (c *crowd) stop() {
	c.cancel()
	c.over.Wait()
	c.kept.CloseIdleConnections()
}

func (c *crowd) run(ctx context.Context) {
	due := time.NewTicker(time.Second / rate)
	defer due.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-due.C:
			c.pace.RLock()
			o, e := c.next()
			c.over.Go(func() {
				defer c.pace.RUnlock()
				c.write(o, e)
			})
		}
	}
}

// next chooses what to write, of a row that nobody else is writing.
func (c *crowd) next() (shape.Op, *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	switch k := rand.IntN(100); {
	case k < 30:
		id, e := c.add(shape.Orders)
		who, _ := c.pick(shape.Customers, 1)
		return shape.Op{Kind: shape.Place, Row: order(id, who, c.n)}, e
	case k < 60:
		id, e := c.take(shape.Orders, 1)
		return shape.Op{Kind: shape.Edit, Row: order(id, e.row["customer_id"], c.n)}, e
	case k < 65:
		id, e := c.take(shape.Orders, 1001) // the first thousand are for the drill to look at
		return shape.Op{Kind: shape.Cancel, Row: shape.Row{"id": id}}, e
	case k < 75:
		id, e := c.add(shape.Customers)
		return shape.Op{Kind: shape.Join, Row: customer(id, c.n)}, e
	case k < 85:
		id, e := c.take(shape.Customers, 1)
		return shape.Op{Kind: shape.Join, Row: customer(id, c.n)}, e
	}
	id, e := c.take(shape.Customers, 1)
	return shape.Op{Kind: shape.Reward, Row: shape.Row{"id": id, "points": strconv.Itoa(c.n % 50)}}, e
}

// add makes a row that is not there yet.
func (c *crowd) add(what string) (string, *entry) {
	id := strconv.Itoa(1_000_000 + c.n)
	e := &entry{busy: true}
	c.model[what][id] = e
	return id, e
}

// pick chooses a row that is there, from the given id on.
func (c *crowd) pick(what string, from int) (string, *entry) {
	for {
		id := c.ids[what][rand.IntN(len(c.ids[what]))]
		e := c.model[what][id]
		if n, _ := strconv.Atoi(id); n >= from && e.row != nil && !e.unsure {
			return id, e
		}
	}
}

// take chooses one that nobody else is writing.
func (c *crowd) take(what string, from int) (string, *entry) {
	for {
		if id, e := c.pick(what, from); !e.busy {
			e.busy = true
			return id, e
		}
	}
}

func (c *crowd) write(o shape.Op, e *entry) {
	release, err := c.send(o)
	c.mu.Lock()
	defer c.mu.Unlock()
	e.busy = false
	if err != nil {
		e.unsure = true
		c.lost = append(c.lost, fmt.Sprintf("%s %s: %s %s: %v", time.Now().Format("15:04:05.000"), c.url, o.Kind, o.Row["id"], err))
		return
	}
	c.done++
	c.by[release]++
	isNew := e.row == nil
	e.row = shape.Release{Number: release}.After(e.row, o)
	if !isNew {
		return
	}
	what := shape.Orders
	if o.Kind == shape.Join {
		what = shape.Customers
	}
	c.ids[what] = append(c.ids[what], o.Row["id"])
}

// send sends it, and says which release has done it.
func (c *crowd) send(o shape.Op) (release int, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return 0, err
	}
	client := c.kept
	if id := o.Row["id"]; id[len(id)-1]%2 == 0 {
		client = c.fresh
	}
	res, err := client.Post(c.url+"/write", "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", res.Status, answer)
	}
	var done shape.Done
	err = json.Unmarshal(answer, &done)
	return done.Release, err
}

// more waits until so many further writes were acknowledged.
func (c *crowd) more(w *harness.World, n int) {
	w.T.Helper()
	from := c.counted()
	w.Until(fmt.Sprintf("%d more writes are acknowledged", n), func() bool { return c.counted() >= from+n })
}

// counted is how many were.
func (c *crowd) counted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

// forget has a field of all orders at what it was before anybody knew it.
func (c *crowd) forget(field, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.model[shape.Orders] {
		if e.row != nil {
			e.row[field] = value
		}
	}
}

// compare lets all writes come to their end, reads everything through the release
// that serves, and fails the test where it is not as was acknowledged.
func (c *crowd) compare(r shape.Release, when string) {
	c.t.Helper()
	c.pace.Lock()
	defer c.pace.Unlock()
	for _, what := range []string{shape.Orders, shape.Customers} {
		rows, wrong, err := c.read(r, what)
		if err != nil {
			c.t.Fatalf("%s: read %s: %v", when, what, err)
		}
		for n, complaint := range wrong {
			if n == 5 {
				break
			}
			c.t.Errorf("%s, release %d: %s", when, r.Number, complaint)
		}
		if len(wrong) > 0 {
			c.t.Fatalf("%s, release %d: %d of %d rows of %s are wrong", when, r.Number, len(wrong), rows, what)
		}
	}
}

func (c *crowd) read(r shape.Release, what string) (int, []string, error) {
	res, err := c.fresh.Get(c.url + "/dump/" + what)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, nil, fmt.Errorf("%s", res.Status)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.model.compare(r, what, res.Body)
}

// none ends it, and fails the test when a write was lost.
func (c *crowd) none() {
	c.t.Helper()
	c.stop()
	for n, lost := range c.lost {
		if n == 10 {
			break
		}
		c.t.Error("lost: ", lost)
	}
	c.t.Logf("%d writes acknowledged, %d lost; by release: %v", c.done, len(c.lost), c.by)
}
