// Package h2 is an HTTP/2 server (RFC 9113) for connections that speak it
// already, over TLS or in cleartext. It is written for a proxy: a handler sees
// an ordinary request and writes an ordinary answer.
//
// It promises:
//
//   - A client that is said goodbye to ([Server.Goodbye]) loses nothing: the
//     first GOAWAY leaves every stream id valid, the second names the last one
//     that was really taken (RFC 9113 §6.8), and the connection ends when those
//     are answered and what was written has been taken.
//   - What a client can make the server hold or do is bounded: streams whose
//     handlers run, though the client has reset them; resets; header blocks, in
//     bytes and frames; frames that ask for work and carry nothing; answers to
//     those that the client does not read; what it sends ahead of the handler;
//     and how long it may take nothing.
//   - A malformed request reaches no handler (RFC 9113 §8.1.1).
//   - A truncated answer is never passed off as a whole one: it ends in
//     RST_STREAM.
//   - A connection without streams holds no buffer but half a kilobyte.
//
// The flow: conn.go reads frames; intake.go, block.go and fields.go make a
// request of a header block; stream.go calls the handler on a goroutine of workers.go;
// body.go is what the handler reads, response.go what it writes; write.go
// brings the frames of all streams out, as many as are ready in one write;
// goodbye.go ends.
package h2
