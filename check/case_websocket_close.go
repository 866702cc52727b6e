package check

import (
	"context"
	"time"
)

func webSocketClose() Case {
	return Case{
		Name:  "websocket-close",
		Title: "The client of an open WebSocket gets a Close frame whose code says that the server goes away.",
		Rests: "RFC 6455 §7.1, §7.4.1: 1001 for a server that goes down; IANA: 1012 for one that restarts",
		With:  "websocket",
		needs: all(needsHTTP1, needsPath("websocket", func(p Paths) string { return p.WebSocket })),
		run:   runWebSocketClose,
	}
}

// A connection that is cut without a Close frame (code 1006 to the client) is a
// fault and no warning: the protocol has a word for a server that goes down, and
// without it the client cannot know whether what it sent last has been taken;
// nothing in the protocol makes it come back. So is one that is kept to the end
// of the grace: the deploy waits for it, and then it is cut.
func runWebSocketClose(ctx context.Context, p *place) (Result, error) {
	w, err := p.openWebSocket(ctx, p.target.Paths.WebSocket)
	if err != nil {
		return Result{}, err
	}
	defer w.Close()
	// It has been used: to one that never was, Tomcat 10.1 sends no Close frame,
	// and nobody misses it there. The Pong is read below.
	if err := w.reply(opPing, nil); err != nil {
		return Result{}, err
	}
	p.taken(ctx, w.conn)
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	for {
		f, begun, err := w.frame(p.patience())
		switch {
		case err != nil:
			return p.judgeCut(endingOf(err, false), begun)
		case f.op == opPing:
			_ = w.reply(opPong, f.payload) // if it fails, so will the next read
		case f.op == opClose:
			_ = w.reply(opClose, f.payload) // RFC 6455 §5.5.1
			return p.judgeClose(closeCode(f.payload))
		}
	}
}

func (p *place) judgeClose(code int) (Result, error) {
	after := Duration(p.since(time.Now()))
	switch code {
	case closeGoingAway, closeRestart, closeTryLater:
		return pass(outcomeTold, "a Close frame with %d came %v after the signal", code, after)
	case closeNoCode:
		return warn(outcomeToldOther, "a Close frame without a code came %v after the signal: the client cannot know that it should come back", after)
	default:
		return warn(outcomeToldOther, "a Close frame with %d came %v after the signal: a client that is to come back is told 1001 or 1012", code, after)
	}
}

func (p *place) judgeCut(e ending, begun bool) (Result, error) {
	after := Duration(p.since(time.Now()))
	switch {
	case e == timeout:
		return fail(outcomeNeverTold, "the WebSocket was kept open, without a word, to the end of the grace of %v, when deploys kill the server", p.target.grace())
	case begun:
		return fail(outcomeCut, "the connection was cut in the middle of a frame, %v after the signal (code 1006 to the client)", after)
	default:
		return fail(outcomeCut, "the connection was cut without a Close frame, %v after the signal (code 1006 to the client): it cannot know what of its own was taken", after)
	}
}
