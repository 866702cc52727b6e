package proxy

import (
	"net/http"
	"sync"
	"time"
)

// patience is how long a request's body is waited for. Who reads the body
// lengthens it before each read, and who has no more use for the body ends it,
// from another goroutine. A reader that lengthened it after that would wait for a
// client that is waiting for its answer.
type patience struct {
	mu   sync.Mutex
	rc   *http.ResponseController
	over bool
}

// readsBody gives the patience with the request's body to one who begins to read
// it; who did so before has ended.
func (x *exchange) readsBody() *patience {
	if x.patience == nil {
		x.patience = &patience{rc: http.NewResponseController(x.w)}
	}
	x.patience.renew()
	return x.patience
}

// lengthen lets the next read take d; 0 leaves it as it is.
func (p *patience) lengthen(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d > 0 && !p.over {
		p.rc.SetReadDeadline(time.Now().Add(d))
	}
}

// end breaks off the read that is going on, and all that follow.
func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.rc.SetReadDeadline(longAgo)
}

// renew takes an end back.
func (p *patience) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		p.over = false
		p.rc.SetReadDeadline(time.Time{})
	}
}
