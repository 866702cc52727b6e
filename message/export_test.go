package message

import "time"

// OnceLease sets how long the claim of a process that died lasts.
func OnceLease(d time.Duration) Option { return func(s *settings) { s.lease = d } }
