package drill

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Class is the way in which a request was lost. Each lost request has exactly
// one. The values are stable: they are what JSON holds.
type Class string

// The classes. "Fresh" and "reused" tell whether the connection had carried a
// request before.
const (
	// Refused: nobody listened (RST to the SYN).
	Refused Class = "refused"
	// ConnectTimeout: no connection within the request's time.
	ConnectTimeout Class = "connect_timeout"
	// ConnectFailed: name resolution, routing, TLS handshake or ALPN failed.
	ConnectFailed Class = "connect_failed"
	// ResetBeforeResponse: the connection was reset before any byte of the response.
	ResetBeforeResponse Class = "reset_before_response"
	// ResetInResponse: reset after some bytes of the response.
	ResetInResponse Class = "reset_in_response"
	// EOFReused: a kept-alive connection was closed, without an answer, just
	// as it was used again.
	EOFReused Class = "eof_reused"
	// EOFFresh: a new connection was closed without an answer.
	EOFFresh Class = "eof_fresh"
	// Truncated: closed in an orderly way after a part of the response.
	// (HTTP/1 responses that are delimited by the close itself cannot be told
	// from complete ones; RFC 9112 §8.)
	Truncated Class = "truncated"
	// Timeout: connected and sent, but no complete answer in time.
	Timeout Class = "timeout"
	// Unavailable: 503 with a Retry-After, a polite refusal (RFC 9110 §15.6.4).
	Unavailable Class = "unavailable"
	// ServerError: any other 5xx.
	ServerError Class = "server_error"
	// UnexpectedStatus: a status outside 5xx that was not expected.
	UnexpectedStatus Class = "unexpected_status"
	// WrongHeader: a header that was expected is missing or differs.
	WrongHeader Class = "wrong_header"
	// WrongBody: a complete answer, with another body than expected.
	WrongBody Class = "wrong_body"
	// Malformed: what came was not valid HTTP.
	Malformed Class = "malformed"
	// GoAway: the HTTP/2 connection ended after a GOAWAY that had promised to
	// answer this request (its stream was not above the last stream id).
	GoAway Class = "goaway"
	// StreamReset: the server reset the HTTP/2 stream.
	StreamReset Class = "stream_reset"
	// StreamRefused: declared unprocessed (REFUSED_STREAM, or above a GOAWAY's
	// last stream id) twice: also when it was repeated.
	StreamRefused Class = "stream_refused"
	// NotSent: the drill itself could not send it. Not lost by the service,
	// but no proof either; see Result.NotSent.
	NotSent Class = "not_sent"
)

// classes in the order in which they are told.
var classes = []Class{
	Refused, ConnectTimeout, ConnectFailed, ResetBeforeResponse, ResetInResponse,
	EOFReused, EOFFresh, Truncated, Timeout, Unavailable, ServerError, UnexpectedStatus,
	WrongHeader, WrongBody, Malformed, GoAway, StreamReset, StreamRefused, NotSent,
}

// classWords is how people read a class in a report.
var classWords = map[Class]string{
	Refused:             "connection refused",
	ConnectTimeout:      "connect timeout",
	ConnectFailed:       "connect failed",
	ResetBeforeResponse: "reset before response",
	ResetInResponse:     "reset in response",
	EOFReused:           "kept-alive connection closed",
	EOFFresh:            "fresh connection closed",
	Truncated:           "truncated response",
	Timeout:             "timeout",
	Unavailable:         "503 with Retry-After",
	ServerError:         "5xx",
	UnexpectedStatus:    "unexpected status",
	WrongHeader:         "wrong header",
	WrongBody:           "wrong body",
	Malformed:           "malformed response",
	GoAway:              "HTTP/2 GOAWAY",
	StreamReset:         "HTTP/2 stream reset",
	StreamRefused:       "HTTP/2 stream refused",
	NotSent:             "not sent (drill)",
}

// Words is the class in words, for a table.
func (c Class) Words() string {
	if w, ok := classWords[c]; ok {
		return w
	}
	return string(c)
}

// classOfDial tells why no connection was had.
func classOfDial(err error) Class {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case isOwnLimit(err):
		return NotSent
	case isTimeout(err):
		return ConnectTimeout
	default:
		return ConnectFailed
	}
}

// isOwnLimit reports errors that tell of this machine's limits, not of the server.
func isOwnLimit(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// classOfBreak tells how an exchange on an open connection broke: began is
// whether any byte of the response had come, reused whether the connection had
// carried a request before.
func classOfBreak(err error, began, reused bool) Class {
	switch {
	case isTimeout(err):
		return Timeout
	case isEOF(err) && began:
		return Truncated
	case isEOF(err) && reused:
		return EOFReused
	case isEOF(err):
		return EOFFresh
	case isReset(err) && began:
		return ResetInResponse
	case isReset(err):
		return ResetBeforeResponse
	default:
		return Malformed
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// isReset takes every error of the network itself for a reset (a host that
// became unreachable, say), but not what TLS says in the same wrapping.
func isReset(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op == "read" || op.Op == "write"
	}
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED)
}
