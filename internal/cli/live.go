package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/seguehq/segue/drill"
)

// A liveLine is one line at the bottom of the terminal that is rewritten, with
// other output going on above it. A nil one shows nothing.
type liveLine struct {
	mu    sync.Mutex
	w     io.Writer
	shown bool
}

func (l *liveLine) show(s drill.Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	phase := s.Phase
	if phase != "" {
		phase = " " + phase
	}
	fmt.Fprintf(l.w, "drill%s %s: %d sent, %d lost, %.0f/s, p99 %s", phase, s.Elapsed.Round(time.Second), s.Sent, s.Lost, s.Rate, s.Latency.P99.Round(10*time.Microsecond))
	l.shown = true
}

func (l *liveLine) erase() {
	if l.shown {
		fmt.Fprint(l.w, "\r\x1b[K")
		l.shown = false
	}
}

func (l *liveLine) clear() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
}

// through writes to w, having erased the line. A terminal of its own would let
// the command draw; passing it straight on keeps that possible.
func (l *liveLine) through(w io.Writer) io.Writer {
	if l == nil {
		return w
	}
	return above{l, w}
}

type above struct {
	l *liveLine
	w io.Writer
}

func (a above) Write(p []byte) (int, error) {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	a.l.erase()
	return a.w.Write(p)
}
