package process

import (
	"bytes"
	"os"
	"strconv"
	"sync"
)

// scans goes through all processes of the machine, for any number of callers
// at once: those that wait while one scan is under way share the next. When
// twenty instances end together, two scans serve them all.
type scans struct {
	mu   sync.Mutex
	next *scanned
	busy sync.Mutex // held while scanning
}

// A scanned is one scan.
type scanned struct {
	done chan struct{}
	all  []*seen
	err  error
}

// A seen is a process that a scan came across.
type seen struct {
	stat
	once   sync.Once
	marked string
}

// all returns the processes that are there: every one that was when it was
// called, and has not ended since.
func (s *scans) all() ([]*seen, error) {
	s.mu.Lock()
	run := s.next
	if run != nil {
		s.mu.Unlock()
		<-run.done
		return run.all, run.err
	}
	run = &scanned{done: make(chan struct{})}
	s.next = run
	s.mu.Unlock()

	s.busy.Lock()
	defer s.busy.Unlock()
	s.mu.Lock()
	s.next = nil // who comes from now on needs a later one
	s.mu.Unlock()
	defer close(run.done)
	run.err = scan(func(st stat) { run.all = append(run.all, &seen{stat: st}) })
	return run.all, run.err
}

// mark returns the assignment of envLeader in the process's environment, ""
// when there is none or it may not be read.
func (s *seen) mark() string {
	s.once.Do(func() {
		env, err := os.ReadFile("/proc/" + strconv.Itoa(s.pid) + "/environ")
		if err != nil {
			return
		}
		for kv := range bytes.SplitSeq(env, []byte{0}) {
			if bytes.HasPrefix(kv, []byte(envLeader+"=")) {
				s.marked = string(kv)
				return
			}
		}
	})
	return s.marked
}
