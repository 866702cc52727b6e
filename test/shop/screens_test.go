package shop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Screens are browsers that look at the live stream, each at one instance at a time:
// witnesses of what reaches every instance.
type screens struct {
	url    string
	ledger *ledger
	stop   context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	open    map[string]int // streams of each instance now
	streams []*stream      // that have ended
	failed  int            // that did not begin
}

// A stream is what one instance has told one screen.
type stream struct {
	instance string
	from, to time.Time
	seen     map[string]int // product and price → how often
}

func newScreens(t *testing.T, at string, l *ledger, n int) *screens {
	ctx, cancel := context.WithCancel(context.Background())
	s := &screens{url: at, ledger: l, stop: cancel, open: map[string]int{}}
	for range n {
		s.wg.Go(func() {
			for ctx.Err() == nil {
				s.look(ctx)
			}
		})
	}
	t.Cleanup(s.over)
	return s
}

func (s *screens) over() {
	s.stop()
	s.wg.Wait()
}

// look looks at one stream until it ends.
func (s *screens) look(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, "GET", s.url+"/live", nil)
	if err != nil {
		panic(err) // the URL is the harness' own
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		if err == nil {
			res.Body.Close()
		}
		s.notBegun(ctx)
		return
	}
	defer res.Body.Close()
	one := &stream{seen: map[string]int{}}
	event := ""
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event":
			event = value
		case name == "data" && event == "hello":
			one.instance, one.from = strings.Trim(value, `"`), time.Now()
			s.count(one.instance, 1)
		case name == "data" && event == "changed":
			one.see(value)
		}
	}
	if one.from.IsZero() {
		s.notBegun(ctx)
		return
	}
	one.to = time.Now()
	s.count(one.instance, -1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams = append(s.streams, one)
}

func (s *screens) count(instance string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[instance] += n
}

// at is how many streams an instance has now.
func (s *screens) at(instance string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[instance]
}

func (s *screens) notBegun(ctx context.Context) {
	s.mu.Lock()
	s.failed++
	s.mu.Unlock()
	select { // a browser takes longer
	case <-ctx.Done():
	case <-time.After(200 * time.Millisecond):
	}
}

func (s *stream) see(data string) {
	var c struct {
		Product string
		Cents   int
	}
	if err := json.Unmarshal([]byte(data), &c); err == nil && c.Cents > 0 {
		s.seen[fmt.Sprint(c.Product, " ", c.Cents)]++
	}
}

// told holds the streams to the prices that were set: what was set while a stream was
// open, and long enough before its end, it must have told.
func (s *screens) told() (instances, told, twice int, missing []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := map[string]bool{}
	for _, one := range s.streams {
		at[one.instance] = true
		for _, n := range one.seen {
			told++
			twice += n - 1
		}
		for product, prices := range s.ledger.prices {
			for _, p := range prices {
				name := fmt.Sprint(product, " ", p.cents)
				if p.asked.After(one.from) && p.done.Add(soon).Before(one.to) && one.seen[name] == 0 {
					missing = append(missing, fmt.Sprintf("%s, set at %s, was not told by %s (%s to %s)", name, p.done.Format(clock),
						one.instance, one.from.Format(clock), one.to.Format(clock)))
				}
			}
		}
	}
	return len(at), told, twice, missing
}

// soon is how long a message to all may take, also while its broker restarts.
const soon = 10 * time.Second
