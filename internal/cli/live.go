package cli

import (
	"fmt"
	"io"
	"sync"
)

// A liveLine is one line at the bottom of the terminal that is rewritten, with
// other output going on above it. A nil one shows nothing.
type liveLine struct {
	mu    sync.Mutex
	w     io.Writer
	shown bool
}

func (l *liveLine) show(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	fmt.Fprint(l.w, text)
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
