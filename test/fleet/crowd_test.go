package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A crowd are customers of the service: each logs in once, and from then on
// visits, buys, sets prices and reads them, one request after another, at
// whichever instance. None of its requests is sent twice.
type crowd struct {
	t    *testing.T
	urls []string // of the instances, or of what stands before them
	stop context.CancelFunc
	wg   sync.WaitGroup
	done atomic.Int64 // requests answered

	mu     sync.Mutex
	sold   map[int]string // who got which number
	tokens map[int64]bool
	wrong  []error
}

const customers = 6

func newCrowd(t *testing.T, urls ...string) *crowd {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{t: t, urls: urls, stop: cancel, sold: map[int]string{}, tokens: map[int64]bool{}}
	for n := range customers {
		c.wg.Go(func() { c.customer(ctx, fmt.Sprint("customer", n), n%2 == 0) })
	}
	t.Cleanup(func() { cancel(); c.wg.Wait() })
	return c
}

// customer comes and goes on until ctx ends; keep is whether it keeps its
// connections.
func (c *crowd) customer(ctx context.Context, name string, keep bool) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.fail(err)
		return
	}
	// As every client should, it keeps a connection less long than the server does.
	tr := &http.Transport{DisableKeepAlives: !keep, IdleConnTimeout: 300 * time.Millisecond}
	defer tr.CloseIdleConnections()
	cl := &client{crowd: c, http: http.Client{Jar: jar, Transport: tr}, name: name}
	err = cl.post("/login", url.Values{"user": {name}}, nil)
	for n := 1; err == nil && ctx.Err() == nil; n++ {
		err = errors.Join(cl.visit(n), cl.buy(), cl.reprice(n))
		select { // what a customer takes to think
		case <-ctx.Done():
		case <-time.After(time.Duration(20+rand.IntN(60)) * time.Millisecond):
		}
	}
	if err != nil {
		c.fail(fmt.Errorf("%s: %w", name, err))
	}
}

func (c *crowd) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, fmt.Errorf("%s %w", time.Now().Format("15:04:05.000"), err))
}

// check tells the test what has gone wrong so far.
func (c *crowd) check() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, err := range c.wrong {
		c.t.Error(err)
	}
	if len(c.wrong) > 0 {
		c.t.FailNow()
	}
}

// over sends the crowd home, and wants that nothing went wrong and that the till
// has counted each sale once.
func (c *crowd) over() {
	c.t.Helper()
	c.stop()
	c.wg.Wait()
	c.check()
	for n := 1; n <= len(c.sold); n++ {
		if c.sold[n] == "" {
			c.t.Errorf("of %d sales none was number %d", len(c.sold), n)
		}
	}
	if len(c.sold) < customers {
		c.t.Errorf("only %d sales", len(c.sold))
	}
	c.t.Logf("%d requests, %d of them sales", c.done.Load(), len(c.sold))
}

// A client is one customer's.
type client struct {
	crowd *crowd
	http  http.Client
	name  string
}

func (cl *client) visit(n int) error {
	var got struct {
		User   string
		Visits int
	}
	if err := cl.post("/visit", nil, &got); err != nil {
		return err
	}
	if got.User != cl.name || got.Visits != n {
		return fmt.Errorf("visit %d was number %d, of %q", n, got.Visits, got.User)
	}
	return nil
}

func (cl *client) buy() error {
	var got struct {
		Sold  int
		Token int64
	}
	if err := cl.post("/sell", nil, &got); err != nil {
		return err
	}
	c := cl.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	if who, twice := c.sold[got.Sold]; twice || c.tokens[got.Token] {
		return fmt.Errorf("sale %d with token %d was somebody else's (%s)", got.Sold, got.Token, who)
	}
	c.sold[got.Sold], c.tokens[got.Token] = cl.name, true
	return nil
}

// reprice sets the price of the customer's own item, and wants to see it at all
// instances, soon.
func (cl *client) reprice(n int) error {
	form := url.Values{"item": {cl.name}, "cents": {fmt.Sprint(1000 + n)}}
	if err := cl.post("/price", form, nil); err != nil {
		return err
	}
	for _, at := range cl.crowd.urls {
		if err := cl.seesPrice(at, 1000+n); err != nil {
			return err
		}
	}
	return nil
}

// soon is how long an instance may answer with the old price: the store's
// watchers are told within milliseconds, on a machine with nothing else to do.
const soon = 30 * time.Second

func (cl *client) seesPrice(at string, cents int) error {
	var got struct{ Cents int }
	for deadline := time.Now().Add(soon); got.Cents != cents; {
		if err := cl.do("GET", at+"/price?item="+cl.name, &got); err != nil {
			return err
		}
		if got.Cents != cents && time.Now().After(deadline) {
			return fmt.Errorf("%s says %d for %v, and the price is %d", at, got.Cents, soon, cents)
		}
	}
	return nil
}

func (cl *client) post(path string, form url.Values, into any) error {
	at := cl.crowd.urls[rand.IntN(len(cl.crowd.urls))]
	return cl.do("POST", at+path+"?"+form.Encode(), into)
}

// do sends a request once; whatever is no 200 is lost.
func (cl *client) do(method, to string, into any) error {
	req, err := http.NewRequest(method, to, nil)
	if err != nil {
		return err
	}
	res, err := cl.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, to, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, to, res.Status, body)
	}
	cl.crowd.done.Add(1)
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}
