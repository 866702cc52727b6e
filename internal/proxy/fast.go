package proxy

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/internal/proxy/wire"
)

// The fast path: the plain exchange of HTTP/1.1, that is nearly all of them, on
// event loops.
//
// A loop is one goroutine that owns its clients' connections, its own
// connections to instances, and an epoll instance that watches them. It takes
// no lock for a request. It does nothing but the plain exchange: whatever is
// anything else leaves it, by fastleave.go, for the general path (ServeHTTP),
// which alone knows retries, holds, refusals, upgrades and streams. What a
// client has been sent nothing of can always leave.

// loop is one event loop.
type loop struct {
	p      *proxy
	epoll  int
	parked *os.File // epoll, as Go's own poller sees it
	bell   int      // an eventfd that interrupts the waiting
	events [256]syscall.EpollEvent

	mu    sync.Mutex
	inbox []func() // to be called by the loop
	ended bool     // the inbox is closed

	slots   []slot
	vacant  []int32
	waiting map[*listener]*entrance
	idle    map[*instance][]*upstream // the newest last
	again   []*upstream               // there may be more to read from them
	open    int                       // clients and upstreams

	requests atomic.Int64 // that it has sent

	now      int64 // of clock, as of the current event
	scanAt   int64
	timer    *time.Timer
	timedFor int64 // when the timer rings, 0 it does not
	dateAt   int64
	date     []byte
	stop     bool
	buffers  buffers
	trips    []*trip
	scratch  [80 << 10]byte
	out      []byte
	request  wire.Request
	response wire.Response
	trailer  []wire.Field
}

// ready is what a loop watches.
type ready interface {
	// ready is told of epoll's events.
	ready(events uint32)
}

// slot is a place in a loop's list of what it watches. An event that was
// reported for an earlier holder of the place is recognised by the generation.
type slot struct {
	who        ready
	generation int32
}

// mostLoops bounds the loops: beyond that many, a machine has better use for its
// processors.
const mostLoops = 8

// startLoops starts the fast path.
func (p *proxy) startLoops() error {
	for range min(runtime.GOMAXPROCS(0), mostLoops) {
		l, err := p.newLoop()
		if err != nil {
			return fmt.Errorf("event loop: %w", err)
		}
		p.loops = append(p.loops, l)
		p.loopTasks.Go(l.run)
	}
	return nil
}

func (p *proxy) fastRequests() (n int64) {
	for _, l := range p.loops {
		n += l.requests.Load()
	}
	return n
}

// endLoops closes whatever the loops still hold.
func (p *proxy) endLoops() {
	for _, l := range p.loops {
		l.post(l.end)
	}
	p.loopTasks.Wait()
}

func (p *proxy) newLoop() (*loop, error) {
	l := &loop{p: p, waiting: map[*listener]*entrance{}, idle: map[*instance][]*upstream{}}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if l.bell, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		closeFD(l.epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	syscall.SetNonblock(l.epoll, true) // or Go's poller would not take it
	l.parked = os.NewFile(uintptr(l.epoll), "epoll")
	l.watch(l.bell, unix.EPOLLIN|unix.EPOLLET, (*loopBell)(l))
	l.timer = time.AfterFunc(time.Hour, l.ring)
	l.timer.Stop()
	return l, nil
}

// loopBell is the loop as the receiver of its own bell.
type loopBell loop

func (b *loopBell) ready(uint32) {
	var drop [8]byte
	syscall.Read(b.bell, drop[:])
}

// post has f called by the loop; false says that the loop has ended.
func (l *loop) post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	if l.inbox = append(l.inbox, f); len(l.inbox) == 1 {
		l.ring()
	}
	return true
}

func (l *loop) ring() {
	one := [8]byte{0: 1} // in the byte order of all we run on; any value would do
	syscall.Write(l.bell, one[:])
}

// everyLoop has f called by each loop.
func (p *proxy) everyLoop(f func(*loop)) {
	for _, l := range p.loops {
		l.post(func() { f(l) })
	}
}

// askLoops has f called by each loop and waits until it has been.
func (p *proxy) askLoops(f func(*loop)) {
	var done sync.WaitGroup
	for _, l := range p.loops {
		done.Add(1)
		if !l.post(func() { f(l); done.Done() }) {
			done.Done()
		}
	}
	done.Wait()
}

// yieldAfter is how long a loop goes on before it lets other goroutines run that
// can. Go's scheduler looks for those that wait for the network only when nobody
// else wants to run, so after asideAfter the loop waits as one of them.
const (
	yieldAfter = int64(500 * time.Microsecond)
	asideAfter = int64(2 * time.Millisecond)
)

func (l *loop) run() {
	raw, err := l.parked.SyscallConn()
	if err != nil {
		panic(err) // the file is open, and ours
	}
	yielded := l.tick()
	rested := yielded
	for !l.stop {
		n, overdue := 0, l.now-rested > asideAfter
		if !overdue {
			n = pollWait(l.epoll, l.events[:])
		}
		if overdue || n == 0 && len(l.again) == 0 {
			n = l.rest(raw, overdue)
			yielded = l.tick()
			rested = yielded
		}
		for i := range l.events[:n] {
			ev := &l.events[i]
			if s := l.slots[ev.Fd]; s.generation == ev.Pad && s.who != nil {
				l.tick()
				s.who.ready(ev.Events)
			}
		}
		l.goOn()
		l.hear()
		if l.tick() >= l.scanAt {
			l.scan()
		}
		if l.now-yielded > yieldAfter {
			runtime.Gosched()
			yielded = l.tick()
		}
	}
	l.parked.Close()
	closeFD(l.bell)
}

// rest waits for events, of which it gives the number, as a goroutine in Go's own
// poller, which watches the epoll instance: a loop that has nothing to do costs
// no thread. One that is busy and only makes room rings its own bell.
func (l *loop) rest(raw syscall.RawConn, busy bool) (n int) {
	if !busy {
		l.setTimer()
	}
	raw.Read(func(uintptr) bool {
		if busy {
			busy = false
			l.ring()
			return false
		}
		n = pollWait(l.epoll, l.events[:])
		return n > 0
	})
	return n
}

// goOn reads on where others were let in between.
func (l *loop) goOn() {
	todo := l.again
	l.again = nil
	for _, u := range todo {
		if u.trip != nil && u.readable {
			u.read()
		}
	}
}

func (l *loop) tick() int64 {
	l.now = l.p.clock()
	return l.now
}

// hear does what others have posted.
func (l *loop) hear() {
	l.mu.Lock()
	todo := l.inbox
	l.inbox = nil
	l.mu.Unlock()
	for _, f := range todo {
		f()
	}
}

// watch has who told of events on fd.
func (l *loop) watch(fd int, events uint32, who ready) (place int32, err error) {
	if n := len(l.vacant); n > 0 {
		place = l.vacant[n-1]
		l.vacant = l.vacant[:n-1]
	} else {
		place = int32(len(l.slots))
		l.slots = append(l.slots, slot{})
	}
	s := &l.slots[place]
	s.who = who
	s.generation++
	if e := pollAdd(l.epoll, fd, events, place, s.generation); e != 0 {
		l.forget(place)
		return place, e
	}
	return place, nil
}

// forget ends the watching from a place; the descriptor is closed or taken off
// epoll by the caller.
func (l *loop) forget(place int32) {
	l.slots[place].who = nil
	l.slots[place].generation++
	l.vacant = append(l.vacant, place)
}

// end closes everything and stops the loop. It runs when nothing is left that
// would be missed.
func (l *loop) end() {
	l.mu.Lock()
	l.ended = true
	todo := l.inbox
	l.inbox = nil
	l.mu.Unlock()
	for _, f := range todo {
		f()
	}
	l.closeClients()
	for _, s := range l.slots {
		if u, ok := s.who.(*upstream); ok {
			u.close()
		}
	}
	l.timer.Stop()
	l.stop = true
}

// httpDate gives the time for a Date field (RFC 9110 §6.6.1).
func (l *loop) httpDate() []byte {
	if l.date == nil || l.now-l.dateAt >= int64(time.Second) {
		l.dateAt = l.now
		l.date = time.Now().UTC().AppendFormat(l.date[:0], "Mon, 02 Jan 2006 15:04:05 GMT")
	}
	return l.date
}
