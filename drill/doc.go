// Package drill proves that no request is lost while the software that answers
// them is replaced.
//
// It sends requests at a constant arrival rate, as independent users do,
// before, during and after whatever is done to the service, and accounts for
// every single one of them:
//
//   - Every request that was due is sent exactly once and ends in exactly one
//     place: answered as expected (OK), lost (with its class, time, connection
//     age and a plain explanation), or not sent because the drill itself could
//     not keep up (a defect of the drill's own capacity, and never hidden).
//     Sent = OK + Lost, always.
//   - Nothing is retried behind your back. net/http's Transport repeats a
//     request whose reused connection broke, which hides the very loss a
//     deploy causes; so this package has clients of its own. The one exception
//     is what RFC 9113 §8.7 declares unprocessed on HTTP/2; it is repeated
//     once, and counted as Retried.
//   - Latency counts from the instant at which a request was due, not from the
//     one at which it could be sent, so that a stall shows in the percentiles
//     of everything that arrived during it. (Leaving that out is "coordinated
//     omission"; see Gil Tene, "How NOT to Measure Latency".) How late the
//     drill itself was is measured and told.
//   - Its clients behave: they honour "Connection: close" (RFC 9112 §9.6), do
//     not send on a connection that they have seen closed, and open a new one
//     for new requests after a GOAWAY (RFC 9113 §6.8). What is lost all the
//     same is the server's doing.
//   - Secrets of the plan (header values, passwords in the URL, bodies) are
//     never part of a result.
//
// Use [Run] for a drill by itself, [Around] to hold one around a command, or
// [New] and [Drill.Run] to mark steps and read live numbers while it runs.
// A [Result] writes itself as text, JSON, or one self-contained HTML page.
package drill
