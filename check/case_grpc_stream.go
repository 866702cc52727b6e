package check

import "context"

func grpcStream() Case {
	return Case{
		Name:  "grpc-stream",
		Title: "An open stream of a gRPC server is ended by a status, so that its client knows that it has had everything and begins anew.",
		Rests: "gRPC, doc/PROTOCOL-HTTP2.md: a response ends with a status in its trailers; doc/statuscodes.md: UNAVAILABLE",
		With:  "grpc",
		needs: needsGRPC,
		run:   runGRPCStream,
	}
}

// outcomeToldOther is a stream that was ended by a status, but not by one that
// makes clients begin anew.
const outcomeToldOther Outcome = "told otherwise"

// A connection cut under an open stream is a fault, though clients see
// UNAVAILABLE then too: their library makes it up, whatever was still on its
// way, and nothing in gRPC makes the stream go on. A server that keeps streams
// to the end of its grace takes that long in every deploy, and then cuts them.
func runGRPCStream(ctx context.Context, p *place) (Result, error) {
	c, watch, err := p.openWatch(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	if err := c.wait(ctx, func() bool { return len(watch.body) > 0 || watch.over || watch.reset }); err != nil {
		return Result{}, err
	}
	if c.settled(watch) {
		return Result{Verdict: Skip, Observed: "there is no Watch, and no other stream is known"}, nil
	}
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	ctx, cancel := p.within(ctx)
	defer cancel()
	return p.judgeStream(c.answer(ctx, watch))
}

func (p *place) judgeStream(a answer) (Result, error) {
	after := Duration(p.since(a.at))
	code, ok := statusOf(a.header, a.trailer)
	_, rest := messages(a.body)
	switch {
	case a.ending == timeout:
		return fail(outcomeNeverTold, "the stream was kept open to the end of the grace of %v, when deploys kill the server", p.target.grace())
	case a.ending == whole && ok && (code == codeUnavailable || code == codeOK):
		return pass(outcomeTold, "the stream ended with %s, %v after the signal", codeName(code), after)
	case a.ending == whole && ok:
		return warn(outcomeToldOther, "the stream ended with %s, %v after the signal: clients take UNAVAILABLE alone for a reason to begin anew", codeName(code), after)
	case a.ending == whole:
		return fail(outcomeCut, "the stream ended without a status, %v after the signal", after)
	case rest > 0:
		return fail(outcomeCut, "%s and of a message, %v after the signal, with no status", a.ending, after)
	default:
		return fail(outcomeCut, "%s, %v after the signal, with no status: the client cannot know whether it has had everything", a.ending, after)
	}
}
