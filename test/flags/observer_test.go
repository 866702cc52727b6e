package flags_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// An observer asks one service, again and again, what the flag is for each user, and
// keeps what it is told.
type observer struct {
	t      *testing.T
	name   string
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu     sync.Mutex
	told   map[string][]bool // by user: each value that is another than the one before
	rounds map[string]int
}

type answer struct {
	User                  string
	On                    bool
	Reason, Error, Detail string
}

func observe(t *testing.T, name, url string, users []string) *observer {
	ctx, cancel := context.WithCancel(t.Context())
	o := &observer{t: t, name: name, cancel: cancel, told: map[string][]bool{}, rounds: map[string]int{}}
	for _, user := range users {
		o.tasks.Go(func() { o.follow(ctx, url+"/flag?user="+user, user) })
	}
	t.Cleanup(o.stop)
	return o
}

func (o *observer) stop() {
	o.cancel()
	o.tasks.Wait()
	http.DefaultClient.CloseIdleConnections() // a proxy that ends would wait for what they still have to say
}

func (o *observer) follow(ctx context.Context, url, user string) {
	for ctx.Err() == nil {
		a, err := ask(ctx, url)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			o.t.Errorf("%s, %s: %v", o.name, user, err)
			return
		case a.Error != "":
			o.t.Errorf("%s, %s: %s: %s", o.name, user, a.Error, a.Detail)
			return
		}
		o.mu.Lock()
		if told := o.told[user]; len(told) == 0 || told[len(told)-1] != a.On {
			o.told[user] = append(told, a.On)
		}
		o.rounds[user]++
		o.mu.Unlock()
		select { // one after the other, 20 a second
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func ask(ctx context.Context, url string) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return a, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return a, err
	}
	if res.StatusCode != http.StatusOK {
		return a, fmt.Errorf("%s: %s", res.Status, body)
	}
	return a, json.Unmarshal(body, &a)
}

// on tells who has it now.
func (o *observer) on() map[string]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := map[string]bool{}
	for user, told := range o.told {
		now[user] = told[len(told)-1]
	}
	return now
}

// count is how many have it now.
func (o *observer) count() (n int) {
	for _, on := range o.on() {
		if on {
			n++
		}
	}
	return n
}

// round returns when each user has been asked anew, twice: an answer that was
// under way may be from before.
func (o *observer) round(users []string, until func(string, func() bool)) {
	o.mu.Lock()
	from := map[string]int{}
	for user, n := range o.rounds {
		from[user] = n
	}
	o.mu.Unlock()
	until(o.name+" answers everybody anew", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, user := range users {
			if o.rounds[user] < from[user]+2 {
				return false
			}
		}
		return true
	})
}

// changes is how often each user's value has changed.
func (o *observer) changes() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := map[string]int{}
	for user, told := range o.told {
		n[user] = len(told) - 1
	}
	return n
}
