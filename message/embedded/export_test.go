package embedded

import "time"

// Settle sets how long a part of the log is known to be done with before it is
// removed.
func Settle(d time.Duration) Option { return func(b *Broker) { b.settle = d } }

// KeepShortly is Keep without its lower bound.
func KeepShortly(d time.Duration) Option { return func(b *Broker) { b.keep = d } }
