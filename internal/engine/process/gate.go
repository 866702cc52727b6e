package process

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// A gate is the agent's end of the two pipes to a shim: what is to be run goes
// down the first one, whole, when the gate is opened; how that went comes back
// on the second.
type gate struct {
	order  []byte
	open   *os.File // its end before a whole order is: do not run
	status *os.File
}

// newGate returns our ends and those to be inherited by the shim, which knows
// them by their order.
func newGate() (*gate, []*os.File, error) {
	orderR, orderW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	statusR, statusW, err := os.Pipe()
	if err != nil {
		orderR.Close()
		orderW.Close()
		return nil, nil, err
	}
	return &gate{open: orderW, status: statusR}, []*os.File{orderR, statusW}, nil
}

func (g *gate) close() {
	g.open.Close()
	g.status.Close()
}

// closeGate makes a shim that has not been released yet end.
func (p *Process) closeGate() {
	if g := p.takeGate(); g != nil {
		g.close()
	}
}

func (p *Process) takeGate() *gate {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.gate
	p.gate = nil
	return g
}

// Release opens the gate. It returns nil once the user's command is running in
// the process (which may already have ended again, see Done). On an error,
// which says what is wrong with the command and how to mend it, the process is
// gone; so it is when ctx ends first.
func (p *Process) Release(ctx context.Context) error {
	g := p.takeGate()
	if g == nil {
		return fmt.Errorf("start %s: its gate is already open, or it was given up", p.id)
	}
	defer g.close()
	err := g.pass(ctx)
	if err == nil {
		return nil
	}
	p.kill()
	select {
	case <-p.done:
	case <-time.After(killPatience):
	}
	if errors.Is(err, errShimDied) {
		err = fmt.Errorf("%w: %s", err, p.Exit())
	}
	return fmt.Errorf("start %s: %w", p.id, err)
}

var errShimDied = errors.New("it ended before its command could be run")

// pass hands the order over and reads the answer: nothing (the shim died), a
// mark (exec has closed the pipe), or a mark and the reason why exec failed.
func (g *gate) pass(ctx context.Context) error {
	unblock := context.AfterFunc(ctx, func() {
		past := time.Unix(1, 0)
		_ = g.open.SetWriteDeadline(past)
		_ = g.status.SetReadDeadline(past)
	})
	defer unblock()
	_, werr := g.open.Write(g.order)
	answer, rerr := io.ReadAll(io.LimitReader(g.status, 64<<10))
	switch {
	case ctx.Err() != nil && (werr != nil || rerr != nil):
		return context.Cause(ctx)
	case rerr != nil:
		return fmt.Errorf("read the start gate: %w", rerr)
	case len(answer) == 0:
		return errShimDied
	case len(answer) > 1:
		return errors.New(string(answer[1:]))
	}
	return nil
}

// An order is what a shim is to run. It travels in a pipe and not as arguments
// or environment, which `ps` shows and which Go's runtime would obey.
type order struct {
	Dir   string
	Names string // of the sockets, joined by ":"
	Argv  []string
	Env   []string
}

// encode writes: length of the rest (4 bytes), number of arguments, and all
// strings, each ended by a zero byte, which none of them can contain.
func (o order) encode() ([]byte, error) {
	fields := append([]string{o.Dir, o.Names, strconv.Itoa(len(o.Argv))}, o.Argv...)
	fields = append(fields, o.Env...)
	b := make([]byte, 4)
	for _, f := range fields {
		if strings.IndexByte(f, 0) >= 0 {
			name, _, _ := strings.Cut(f, "=") // never show a value
			return nil, fmt.Errorf("zero byte in an argument or variable starting with %.20q", name)
		}
		b = append(append(b, f...), 0)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b, nil
}

// readOrder returns an error unless a whole order arrives.
func readOrder(r io.Reader) (o order, err error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return o, err
	}
	var body bytes.Buffer
	want := int64(binary.BigEndian.Uint32(size[:]))
	if n, err := io.CopyN(&body, r, want); err != nil {
		return o, fmt.Errorf("got %d of %d bytes: %w", n, want, err)
	}
	f := strings.Split(body.String(), "\x00")
	if len(f) < 5 {
		return o, errors.New("malformed")
	}
	argc, err := strconv.Atoi(f[2])
	if err != nil || argc < 1 || 3+argc >= len(f) {
		return o, errors.New("malformed")
	}
	return order{Dir: f[0], Names: f[1], Argv: f[3 : 3+argc], Env: f[3+argc : len(f)-1]}, nil
}
