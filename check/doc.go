// Package check finds out how a server really shuts down.
//
// It starts the server, brings real clients into the positions in which clients
// are when a deploy comes (a request in flight, an idle connection, half a
// header sent, a WebSocket open), sends the stop signal, and writes down what
// each of them gets. Every case rests on a section of an RFC or a manual, and
// has one of four verdicts:
//
//   - pass: nothing that the client did correctly failed.
//   - fail: something did, or the server could not be stopped as it should.
//   - warn: nothing was lost, but only because somebody else takes care.
//   - skip: the case does not apply, with the reason.
//
// The whole gets a [Class]: what the literature calls the server's way to end
// persistent connections (A. Qvist, "Zero downtime shutdown for REST APIs",
// 2025).
//
// A case gets a server, a start and a stop of its own, or shares them with cases
// that do not disturb it, so that no case hides what another would have found.
// What a case waits for is an event (an answer, the end of a connection, the
// process's exit), and the times that it does measure are those of the server.
//
// [Run] checks a [Target]; package checktest does the same from a Go test.
package check
