package h2

// budget bounds what a client may do again and again at no cost of its own. It
// is earned back by honest work, and a little by time.
type budget struct{ left, most int32 }

func newBudget(most int32) budget { return budget{most, most} }

// spend tells whether there was something left.
func (b *budget) spend() bool {
	b.left--
	return b.left >= 0
}

func (b *budget) earn(n int32) { b.left = min(b.left+n, b.most) }

const (
	// mostNoise is how many frames that carry nothing (PING, SETTINGS, PRIORITY,
	// WINDOW_UPDATE, empty DATA and CONTINUATION, frames of unknown types or on
	// closed streams) may come at once; noisePerSecond come back by time, and
	// some with each request and each DATA frame that passes either way, since
	// WINDOW_UPDATE and PING go with these.
	mostNoise      = 4000
	noisePerSecond = 500
	noisePerStream = 4
	noisePerData   = 3
	// mostResets is how many requests may be cancelled, or broken off for what
	// the client did wrong (CVE-2023-44487, CVE-2025-8671), beyond those that
	// were answered in the meantime.
	mostResets      = 500
	resetsPerSecond = 20
	// mostUnread is how many answers to PING, SETTINGS and bad streams may wait
	// for a client that does not read.
	mostUnread = 2000
	// mostContinuation frames may make up a header block (CVE-2024-27316).
	mostContinuation = 64
)

var (
	errNoise  = connError{codeCalm, "too many frames that carry nothing"}
	errResets = connError{codeCalm, "too many streams were reset"}
	errUnread = connError{codeCalm, "too many answers wait to be read"}
	errBlock  = connError{codeCalm, "header block is too large"}
)

// noise counts a frame that carries nothing; c.mu is held.
func (c *conn) noise() error {
	if !c.idleFrames.spend() {
		return errNoise
	}
	return nil
}

// answered counts a control frame of ours that waits to be written; c.mu is held.
func (c *conn) answered() error {
	if c.unread++; c.unread > mostUnread {
		return errUnread
	}
	return nil
}
