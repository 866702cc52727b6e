package proxy

import (
	"errors"
	"net/http"
	"time"
)

// long ago: a deadline that breaks off what is under way.
var longAgo = time.Unix(1, 0)

// errSaidGoodbye is the end of an answer that was asked to end, and ended whole.
var errSaidGoodbye = errors.New("said goodbye")

// askedToEnd implements guest.
func (x *exchange) askedToEnd(k kind) {
	switch k {
	case stream:
		x.askStream()
	case socket:
		x.up.SetReadDeadline(longAgo)
	case tunnel:
		x.up.SetDeadline(longAgo)
		x.peer.SetDeadline(longAgo)
	case download:
		x.breakOff()
		http.NewResponseController(x.w).SetWriteDeadline(longAgo) // the client may be slow to take it
	case waiting:
		x.breakOff()
	}
}

// askStream wakes the reader of an answer that stands between two events, or
// grants the current one a moment.
func (x *exchange) askStream() {
	between := x.seams.ask()
	switch {
	case x.up != nil && between:
		x.up.SetReadDeadline(longAgo)
	case x.up != nil:
		x.up.SetReadDeadline(time.Now().Add(halfEvent))
	case between:
		x.cancel()
	default:
		time.AfterFunc(halfEvent, x.cancel)
	}
}

func (x *exchange) breakOff() {
	if x.up != nil {
		x.up.abort()
	}
	if x.cancel != nil {
		x.cancel()
	}
}

// canMove implements guest: what is not answered can be done elsewhere, or is
// ended by a word that its client acts on.
func (x *exchange) canMove() bool {
	return !x.once || x.speaksGRPC() || x.moving != nil && x.moving.move()
}

func (x *exchange) speaksGRPC() bool { return x.r.ProtoMajor == 2 && isGRPC(x.r) }

// endIfDue asks an exchange on the fast path to end when its time is up: one
// without an answer goes to the general path, which knows what to do with it,
// and an answer there has no seams.
func (t *trip) endIfDue() {
	switch w := &t.in.farewell; {
	case !w.announced.Load() || !w.isDue(t.own, t.start, t.wish.write):
	case t.began:
		t.c.loop.p.stats.goodbyes.count("cut")
		t.lose("drained")
	case t.up.state == awaiting:
		t.handOver(&resumed{})
	}
}

// takenBack deals with an exchange that was asked to end before its answer
// began. It gives false when another instance should be tried.
func (x *exchange) takenBack(why cause) bool {
	if why == drained && !x.speaksGRPC() {
		x.said("moved")
		return false
	}
	x.said("refused")
	x.refuse(refuseDrained)
	return true
}

// said counts a goodbye.
func (x *exchange) said(word string) { x.p.stats.goodbyes.count(word) }

// beginAnswer tells the farewell what the answer is. It gives why the exchange
// was asked to end before, if it was: the answer then does not count, as the
// connection may be broken off.
func (x *exchange) beginAnswer(c *upConn, whole bool) cause {
	x.seams = seamsOf(x.w.Header())
	if x.seams == nil || whole {
		return x.flight.become(download, nil)
	}
	if c != nil {
		c.noDeadline() // from here on deadlines are the farewell's
	}
	return x.flight.become(stream, nil)
}

// pastSeam passes a piece of a stream's answer on, or what of it belongs to the
// answer after it was asked to end; over tells that it ends there.
func (x *exchange) pastSeam(piece []byte) (part []byte, over bool) {
	if x.seams == nil {
		return piece, false
	}
	return x.seams.pass(piece)
}

// lastWords ends an answer that was asked to end and whose reading ended for
// that. nil means that the client sees a whole answer.
func (x *exchange) lastWords() error {
	x.word = "drained"
	if x.seams == nil || !x.seams.endsWell() {
		x.said("cut")
		return http.ErrAbortHandler
	}
	x.said(x.seams.word)
	if x.seams.word == "grpc" {
		h := x.w.Header()
		h[http.TrailerPrefix+"Grpc-Status"] = []string{"14"} // UNAVAILABLE
		h[http.TrailerPrefix+"Grpc-Message"] = []string{restartReason}
	}
	return errSaidGoodbye
}

// restartReason is what clients are told in protocols that have room for it.
const restartReason = "service restart"
