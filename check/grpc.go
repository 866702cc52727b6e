package check

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The health service of gRPC (grpc/doc/health-checking.md): the only methods
// that any server may have, and that can be called without doing harm.
const (
	healthCheck = "/grpc.health.v1.Health/Check" // answers once
	healthWatch = "/grpc.health.v1.Health/Watch" // goes on answering
)

// A serving is grpc.health.v1.HealthCheckResponse.ServingStatus.
type serving uint64

const (
	isServing    serving = 1
	isNotServing serving = 2
)

func (s serving) String() string {
	switch s {
	case isServing:
		return "SERVING"
	case isNotServing:
		return "NOT_SERVING"
	}
	return fmt.Sprintf("the status %d", uint64(s))
}

// Codes of gRPC that servers end calls with (grpc/doc/statuscodes.md).
const (
	codeOK            = 0
	codeUnimplemented = 12
	codeUnavailable   = 14
)

// call makes a gRPC call with an empty message, which the health service takes
// for a question about the server as a whole.
func (c *conn2) call(ctx context.Context, method string) (*stream2, error) {
	st, err := c.open(http.MethodPost, method, false, "content-type: application/grpc", "te: trailers")
	if err != nil {
		return st, err
	}
	return st, c.send(ctx, st, make([]byte, 5), true) // not compressed, and of length 0
}

// messages are those that have come whole; rest is the length of what has come
// behind them.
func messages(body []byte) (whole [][]byte, rest int) {
	for len(body) >= 5 {
		n := int(binary.BigEndian.Uint32(body[1:]))
		if len(body) < 5+n {
			break
		}
		whole = append(whole, body[5:5+n])
		body = body[5+n:]
	}
	return whole, len(body)
}

// servingOf reads a HealthCheckResponse, which has a single field: an enum of
// number 1. One that is not there is 0.
func servingOf(message []byte) serving {
	const field1Varint = 1 << 3
	if len(message) == 0 || message[0] != field1Varint {
		return 0
	}
	v, _ := binary.Uvarint(message[1:])
	return serving(v)
}

// statusOf is the code that a call has ended with. It stands behind the answer,
// or in its header if there is nothing between.
func statusOf(header, trailer http.Header) (code int, ok bool) {
	for _, h := range []http.Header{trailer, header} {
		if code, err := strconv.Atoi(h.Get("Grpc-Status")); err == nil {
			return code, true
		}
	}
	return 0, false
}

// succeeded reports whether a call has ended well.
func succeeded(st *stream2) bool {
	code, ok := statusOf(st.header, st.trailer)
	return ok && code == codeOK
}

// answersHealth asks for the server's health.
func answersHealth(ctx context.Context, s *server) bool {
	ctx, cancel := context.WithTimeout(ctx, greetingTime)
	defer cancel()
	_, err := askHealth(ctx, s)
	return err == nil
}

// callLasts makes the slow call once: what is not answered on an ordinary day, or
// not slow, would prove nothing.
func callLasts(ctx context.Context, s *server) error {
	ctx, cancel := context.WithTimeout(ctx, s.target.grace())
	defer cancel()
	c, err := dial2(ctx, s, habits{})
	if err != nil {
		return err
	}
	defer c.Close()
	began := time.Now()
	st, err := c.call(ctx, s.target.Paths.GRPC)
	if err != nil {
		return err
	}
	a := c.answer(ctx, st)
	code, ok := statusOf(a.header, a.trailer)
	took := time.Since(began).Round(time.Millisecond)
	switch {
	case a.ending != whole:
		return fmt.Errorf("%s: %s", s.target.Paths.GRPC, a.ending)
	case !ok:
		return fmt.Errorf("%s: HTTP status %d, and none of gRPC", s.target.Paths.GRPC, a.status)
	case code != codeOK:
		return fmt.Errorf("%s: %w", s.target.Paths.GRPC, grpcError(code))
	case took < leastSlow:
		return fmt.Errorf("%s took only %v; name a method that takes one or two seconds, %v at least", s.target.Paths.GRPC, took, leastSlow)
	}
	return nil
}

// askHealth asks on a connection of its own, as Kubernetes' probes do.
func askHealth(ctx context.Context, s *server) (serving, error) {
	c, err := dial2(ctx, s, habits{})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	st, err := c.call(ctx, healthCheck)
	if err != nil {
		return 0, err
	}
	a := c.answer(ctx, st)
	code, ok := statusOf(a.header, a.trailer)
	said, _ := messages(a.body)
	switch {
	case a.ending != whole:
		return 0, fmt.Errorf("the call was not answered: %s", a.ending)
	case !ok:
		return 0, fmt.Errorf("HTTP status %d, and none of gRPC", a.status)
	case code != codeOK || len(said) == 0:
		return 0, grpcError(code)
	}
	return servingOf(said[0]), nil
}

// A grpcError is a call that was answered with a status other than OK.
type grpcError int

func (e grpcError) Error() string { return "ended with " + codeName(int(e)) }

func codeName(code int) string {
	names := map[int]string{codeOK: "OK", 1: "CANCELLED", 2: "UNKNOWN", 4: "DEADLINE_EXCEEDED", codeUnimplemented: "UNIMPLEMENTED", 13: "INTERNAL", codeUnavailable: "UNAVAILABLE"}
	if name := names[code]; name != "" {
		return name
	}
	return fmt.Sprintf("the code %d", code)
}

// needsGRPC is for cases that call the health service.
func needsGRPC(_ Target, s *Survey) string {
	if !s.GRPC {
		return "the server does not answer " + healthCheck
	}
	return ""
}
