package h2

import (
	"net/http"
	"sync"
)

// task is what a worker does: a stream's handler, or a connection's writing.
type task interface{ run(*scratch) }

// workers are goroutines that are used again, since the stack that a handler
// needs is costly to grow. They end with the last connection.
type workers struct {
	mu    sync.Mutex
	idle  []*worker
	users int // connections
}

type worker struct {
	tasks   chan task
	scratch scratch
}

// scratch is what an answer in the making needs, used for one after another.
// A handler may not touch its ResponseWriter after it has returned, so neither
// its header map nor its buffer can be seen twice.
type scratch struct {
	header http.Header
	fields []field
	buf    []byte
}

const (
	idleWorkers   = 512
	answerBuffer  = 4 << 10
	scratchFields = 64 // a header that had more is not kept
)

func (p *workers) do(t task) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		w.tasks <- t
		return
	}
	p.mu.Unlock()
	w := &worker{tasks: make(chan task, 1)}
	w.tasks <- t
	go w.loop(p)
}

func (w *worker) loop(p *workers) {
	for t := range w.tasks {
		t.run(&w.scratch)
		if !p.keep(w) {
			return
		}
	}
}

func (p *workers) keep(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == 0 || len(p.idle) >= idleWorkers {
		return false
	}
	p.idle = append(p.idle, w)
	return true
}

func (p *workers) join() {
	p.mu.Lock()
	p.users++
	p.mu.Unlock()
}

// leave lets the idle workers go when the last connection has ended; those at
// work go when they are done.
func (p *workers) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users--; p.users > 0 {
		return
	}
	for _, w := range p.idle {
		close(w.tasks)
	}
	p.idle = nil
}

func (s *scratch) ready() {
	if s.header == nil {
		s.header = make(http.Header, 8)
	}
}

func (s *scratch) reset() {
	if len(s.header) > scratchFields {
		s.header = nil
	}
	clear(s.header)
	clear(s.fields)
	s.fields = s.fields[:0]
	if cap(s.fields) > scratchFields {
		s.fields = nil
	}
	s.buf = s.buf[:0]
}
