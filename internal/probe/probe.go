// Package probe asks instances whether they are well, and promises that an
// answer is the instance's own: every question is asked on a connection of its
// own that is closed again, a connection that a port makes to itself is no
// answer, and a program that was run to find out is gone, with all that it
// started in its process group, when the answer is there.
package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// A Target is the instance that is asked.
type Target struct {
	Addr string             // host:port, for http and tcp; "" for a worker
	Env  deploy.Environment // for exec: the whole environment, PATH included
	Dir  string             // for exec: the working folder; "" for segue's own
	H2C  bool               // it speaks HTTP/2 with prior knowledge only
	Said <-chan struct{}    // for notify: closed when the instance has said READY=1
}

// Ask asks p's question of t once and returns nil for a yes. The error tells
// what was asked and what came back: a status with the start of the body, an
// exit status with the output, a refusal, a timeout. Thresholds are the business
// of WaitReady and Watch. A Timeout of zero or less is taken as one second.
func Ask(ctx context.Context, p deploy.Probe, t Target) error {
	p = complete(p)
	ctx, cancel := context.WithTimeoutCause(ctx, p.Timeout, tooSlow(p.Timeout))
	defer cancel()
	err := ask(ctx, p, t)
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !isAnswer(err) {
		err = cause // what a cut connection says about itself tells nobody anything
	}
	return fmt.Errorf("%s: %w", p.What(), err)
}

func ask(ctx context.Context, p deploy.Probe, t Target) error {
	switch {
	case p.HTTP != "" && t.H2C:
		return askH2C(ctx, p.HTTP, t.Addr)
	case p.HTTP != "":
		return askHTTP(ctx, p.HTTP, t.Addr)
	case p.TCP:
		return askTCP(ctx, t.Addr)
	case p.Notify:
		return askNotify(ctx, t.Said)
	default:
		return askExec(ctx, p.Exec, t)
	}
}

// An answer is a no that the instance gave itself, as opposed to none at all.
type answer struct{ error }

func (a answer) Unwrap() error { return a.error }

func isAnswer(err error) bool {
	var a answer
	return errors.As(err, &a)
}

// tooSlow is the error of a question that took longer than its timeout.
type tooSlow time.Duration

func (t tooSlow) Error() string { return fmt.Sprintf("no answer within %v", time.Duration(t)) }

// Timeout marks it for those who look for net.Error's method.
func (t tooSlow) Timeout() bool { return true }

// complete gives a probe that was not made by package config what it must have
// to be asked at all.
func complete(p deploy.Probe) deploy.Probe {
	if p.Every <= 0 {
		p.Every = time.Second
	}
	if p.Timeout <= 0 {
		p.Timeout = time.Second
	}
	p.Failures = max(p.Failures, 1)
	p.Successes = max(p.Successes, 1)
	return p
}

// excerptBytes of a body or an output are told.
const excerptBytes = 200

// excerpt makes text of an instance fit for one line of an error.
func excerpt(text []byte) string {
	cut := len(text) > excerptBytes
	if cut {
		text = text[:excerptBytes]
	}
	line := strings.Join(strings.Fields(strings.Map(printable, strings.ToValidUTF8(string(text), ""))), " ")
	if cut {
		line += "…"
	}
	return line
}

// printable keeps control characters of an instance off the terminal.
func printable(r rune) rune {
	if r < ' ' || (r >= 0x7f && r < 0xa0) {
		return ' '
	}
	return r
}
