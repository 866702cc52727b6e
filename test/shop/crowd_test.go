package shop_test

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
	"strings"
	"sync"
	"testing"
	"time"
)

// A crowd are people who work: each logs in once, and then packs, looks and sets
// prices, one request after another, with moments between in which he thinks.
type crowd struct {
	url    string
	ledger *ledger
	think  time.Duration // on average
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

func newCrowd(t *testing.T, at string, l *ledger, users int, think time.Duration) *crowd {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{url: at, ledger: l, think: think, stop: cancel}
	for n := range users {
		c.wg.Go(func() { c.work(ctx, n) })
	}
	t.Cleanup(c.over)
	return c
}

// over has everybody finish what he is at, and go.
func (c *crowd) over() {
	c.stop()
	c.wg.Wait()
}

func (c *crowd) work(ctx context.Context, n int) {
	u, err := newUser(c.url, c.ledger, fmt.Sprint("user", n))
	if err != nil {
		panic(err) // a cookie jar without options
	}
	defer u.http.CloseIdleConnections()
	if !c.pause(ctx) || !u.login() {
		return
	}
	for c.pause(ctx) && !u.out {
		u.something(n)
	}
}

// pause is the time to think; false if the day is over.
func (c *crowd) pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(c.think/2 + rand.N(c.think)):
		return true
	}
}

// A user is one of them, or a test that looks.
type user struct {
	url, name string
	http      http.Client
	ledger    *ledger
	cents     int  // the last price he has set
	out       bool // his login was lost
}

func newUser(at string, l *ledger, name string) (*user, error) {
	jar, err := cookiejar.New(nil)
	client := http.Client{Jar: jar, Transport: &http.Transport{}, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &user{url: at, name: name, http: client, ledger: l, cents: 10000}, err
}

func (u *user) login() bool {
	code := u.ask("POST", "/login", url.Values{"user": {u.name}}, nil)
	if code == http.StatusOK {
		u.ledger.mu.Lock()
		u.ledger.loggedIn++
		u.ledger.mu.Unlock()
	}
	return code == http.StatusOK
}

// something is what user n does next. The first of them own a product each, whose
// price nobody else sets.
func (u *user) something(n int) {
	switch what := rand.IntN(10); {
	case n < len(goods) && what < 5:
		u.reprice(goods[n])
	case what < 5:
		u.packOne()
	case what < 8:
		u.look(goods[rand.IntN(len(goods))])
	default:
		u.home()
	}
}

// packOne packs a shipment that is open, unless somebody else is quicker.
func (u *user) packOne() {
	var open []struct{ ID string }
	if u.ask("GET", "/shipments", nil, &open) != http.StatusOK || len(open) == 0 {
		return
	}
	id := open[rand.IntN(len(open))].ID
	var p struct{ By string }
	if u.ask("POST", "/shipments/"+id+"/pack", nil, &p) != http.StatusOK {
		return
	}
	if p.By != u.name {
		u.ledger.note(&u.ledger.twice, "%s was told that he has packed %s, and %s has", u.name, id, p.By)
	}
	u.ledger.pack(id, u.name)
}

func (u *user) look(product string) {
	var item struct{ Cents int }
	asked := time.Now()
	if u.ask("GET", "/products/"+product, nil, &item) == http.StatusOK {
		u.ledger.saw(product, item.Cents, asked)
	}
}

func (u *user) reprice(product string) {
	u.cents++
	p := price{cents: u.cents, asked: time.Now()}
	if u.ask("POST", "/products/"+product, url.Values{"cents": {fmt.Sprint(u.cents)}}, nil) == http.StatusOK {
		p.done = time.Now()
		u.ledger.reprice(product, p)
	}
}

// home looks at the page as a browser does.
func (u *user) home() {
	var page string
	if u.ask("GET", "/", nil, &page) == http.StatusOK && !strings.Contains(page, ">"+u.name+" <button>Log out") {
		u.lostLogin("the page is that of nobody")
	}
}

func (u *user) lostLogin(how string) {
	u.out = true
	u.ledger.note(&u.ledger.logins, "%s: %s", u.name, how)
}

// ask sends a request once; and again if it was in hand of a process that the test
// has killed. It returns the answer's code: 200, or 404 or 409, which are answers,
// too. Anything else is written down.
func (u *user) ask(method, path string, form url.Values, into any) int {
	for {
		began := time.Now()
		code, body, err := u.once(method, path, form, into)
		switch {
		case err == nil && (code == http.StatusOK || code == http.StatusConflict || code == http.StatusNotFound):
			u.ledger.answered()
			return code
		case err == nil && (code == http.StatusUnauthorized || code == http.StatusSeeOther):
			u.lostLogin(fmt.Sprintf("%s %s: %d", method, path, code))
			return code
		case u.ledger.excused(began):
			if id, ok := strings.CutSuffix(path, "/pack"); ok {
				u.ledger.cutOff(strings.TrimPrefix(id, "/shipments/"), u.name)
			}
			time.Sleep(100 * time.Millisecond) // as a person would, or Retry-After asks for
		default:
			u.ledger.note(&u.ledger.lost, "%s %s after %v: %d %s %v", method, path, time.Since(began).Round(time.Millisecond), code, body, err)
			return 0
		}
	}
}

func (u *user) once(method, path string, form url.Values, into any) (code int, body string, err error) {
	req, err := http.NewRequest(method, u.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	text, isPage := into.(*string)
	if !isPage {
		req.Header.Set("Accept", "application/json")
	}
	res, err := u.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if isPage {
		*text = string(data)
		return res.StatusCode, "", err
	}
	if err == nil && res.StatusCode == http.StatusOK && into != nil {
		err = json.Unmarshal(data, into)
	}
	return res.StatusCode, strings.TrimSpace(string(data)), errors.Join(err)
}
