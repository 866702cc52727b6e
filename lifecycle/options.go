package lifecycle

import "time"

// A Strategy is how clients with persistent connections are told to go, in the
// words of A. Qvist, "Zero downtime shutdown for REST APIs" (2025).
type Strategy int

const (
	// OneMoreMessage answers one more request on each connection, with
	// Connection: close (RFC 9112 §9.6), and closes the connections on which none
	// comes for longer than the idle gap. It loses nothing of clients that ask more
	// often than that. The default.
	OneMoreMessage Strategy = iota

	// HangUp closes idle connections at once, but for those that were never used. It
	// is over sooner; a request that is on its way then is lost, and the client has
	// to send it again. For servers whose clients are a proxy that has taken them out
	// before.
	HangUp
)

// Defaults of a server's options.
const (
	DefaultDelay   = 2 * time.Second
	DefaultIdleGap = 3 * time.Second
)

// An Option changes how a server is run and drained.
type Option func(*options)

type options struct {
	name       string
	readiness  string
	delay      time.Duration
	gap        time.Duration
	strategy   Strategy
	cert, key  string
	health     []func(bool)
	onStopping []func()
}

// WithName names the component; "http" and "grpc" otherwise. Of inherited
// sockets (LISTEN_FDNAMES) a server takes the one with its name, or else the one
// with its port, or else the next that is left.
func WithName(name string) Option { return func(o *options) { o.name = name } }

// WithReadiness answers requests for this path with [Ready].
func WithReadiness(path string) Option { return func(o *options) { o.readiness = path } }

// WithDelay is for how long a server goes on accepting when it has been told to
// stop and says that it is not ready: whoever sends requests learns of the stop
// no sooner than the server. Make it longer than the readiness probe's period
// times its failures. It does not apply where somebody else accepts on the same
// socket. 0 is none; without the option it is DefaultDelay, and none under
// Segue's agent, which takes an instance out of use before it stops it.
func WithDelay(d time.Duration) Option { return func(o *options) { o.delay = d } }

// WithIdleGap is for how long a connection of HTTP/1 is kept open for one more
// request. It should be longer than a client's usual pause between two
// requests. The default is DefaultIdleGap.
func WithIdleGap(d time.Duration) Option { return func(o *options) { o.gap = d } }

// WithStrategy chooses how persistent connections of HTTP/1 end.
func WithStrategy(s Strategy) Option { return func(o *options) { o.strategy = s } }

// WithTLS serves with a certificate and a key from PEM files. A server whose
// TLSConfig has certificates serves TLS without it.
func WithTLS(certFile, keyFile string) Option {
	return func(o *options) { o.cert, o.key = certFile, keyFile }
}

// WithHealth calls f with true when the server serves and everything else has
// started, and with false when it begins to leave, before it stops accepting.
// For gRPC:
//
//	lifecycle.WithHealth(func(serving bool) {
//		if serving {
//			health.Resume()
//		} else {
//			health.Shutdown()
//		}
//	})
func WithHealth(f func(serving bool)) Option {
	return func(o *options) { o.health = append(o.health, f) }
}

// OnStopping calls f when long-lived handlers are to end, see [Stopping]: for
// those that have no context of the server's. f must not block.
func OnStopping(f func()) Option {
	return func(o *options) { o.onStopping = append(o.onStopping, f) }
}
