// Package messagetest is what every broker of package message has to pass.
//
//	func TestMain(m *testing.M) { messagetest.Main(m, dial) }
//
//	func TestBroker(t *testing.T) { messagetest.Run(t, shared) }
//	func TestFaults(t *testing.T) { messagetest.Faults(t, ownServer) }
package messagetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/message"
)

// patience is how long the suite waits for what must happen.
const patience = 30 * time.Second

// A Maker is a broker under test, and what its contract does not promise.
type Maker struct {
	// Open opens a connection to one and the same broker, as another process would
	// have it. The suite closes it.
	Open func(t testing.TB) message.Broker

	// Address is what the function that Main was given opens the broker by, in
	// another process. Faults needs it.
	Address string

	// Crash kills the server as a crash does, and starts it again with what it has
	// on disk. See NoServer.
	Crash func(t testing.TB)

	// Cut breaks all connections that Open has made; new ones are well. See
	// NoConnections.
	Cut func(t testing.TB)

	// Lease is for how long a receiver may be silent before what it has is given to
	// another. See NoLease.
	Lease time.Duration

	// Unordered: messages of one key may overtake each other.
	Unordered bool

	// ReturnsLate: what is returned comes again only when a receiver leaves the
	// group or joins it.
	ReturnsLate bool

	// MovesTwice: a receiver that joins or leaves makes messages of others come
	// twice, which were being handled.
	MovesTwice bool
}

var tests = map[string]func(*testing.T, *suite){
	"a message comes as it was sent":          asSent,
	"a group waits while nobody is there":     groupWaits,
	"one of a group gets each":                oneOfGroup,
	"every group gets all":                    everyGroup,
	"subscriptions without a group get all":   all,
	"not more than the window":                window,
	"what is returned comes again":            returned,
	"what is closed over comes again":         closedOver,
	"what is acknowledged does not come":      acknowledged,
	"messages of a key keep their order":      order,
	"an empty broker is waited for":           waits,
	"many messages at once":                   many,
	"topics are apart":                        topics,
	"receivers come and go":                   comeAndGo,
	"several processes' publishers are heard": publishers,
	"what is being handled does not come":     beingHandled,
	"calling off a receive loses nothing":     calledOff,
}

// A Lack is what a broker does not have, so that it cannot be tested. Without it, a
// Maker that leaves it out fails the test that needs it.
type Lack string

const (
	NoServer      Lack = "no server"      // that could crash by itself, or none that can be made to
	NoConnections Lack = "no connections" // that could break
	NoLease       Lack = "no lease"       // the broker learns in another way that a receiver is dead
)

// without is what a broker must not lack for a test to make sense.
var without = map[string]Lack{
	"what is being handled does not come": NoLease,
	"connections that break":              NoConnections,
	"a message of one who is cut off":     NoConnections,
	"a server that crashes":               NoServer,
	"publishing while the server is away": NoServer,
}

// Run holds a broker to the contract. make is called once for each test; what else
// is in the broker does not matter.
func Run(t *testing.T, make func(t *testing.T) Maker, lacks ...Lack) { run(t, make, tests, lacks) }

func run(t *testing.T, make func(t *testing.T) Maker, tests map[string]func(*testing.T, *suite), lacks []Lack) {
	for name, test := range tests {
		if slices.Contains(lacks, without[name]) {
			continue
		}
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			test(t, newSuite(t, make(t)))
		})
	}
}

// A suite is one test's broker, and a topic of its own.
type suite struct {
	Maker
	message.Broker
	topic string
}

func newSuite(t *testing.T, m Maker) *suite {
	s := &suite{Maker: m, topic: "test." + rand.Text()}
	s.Broker = s.open(t)
	return s
}

// open is one more connection.
func (s *suite) open(t *testing.T) message.Broker {
	t.Helper()
	b := s.Maker.Open(t)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close the broker: %v", err)
		}
	})
	return b
}

// A receiver is one that a test has subscribed.
type receiver struct {
	message.Receiver
	t      *testing.T
	closed bool
}

// subscribe receives by a connection of its own.
func (s *suite) subscribe(t *testing.T, group string, window int) *receiver {
	t.Helper()
	return s.subscribeTo(t, message.Subscription{Topic: s.topic, Group: group, Window: window})
}

func (s *suite) subscribeTo(t *testing.T, to message.Subscription) *receiver {
	t.Helper()
	b := s.open(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := b.Subscribe(ctx, to)
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	k := &receiver{Receiver: r, t: t}
	t.Cleanup(k.close)
	return k
}

// close leaves the group.
func (r *receiver) close() {
	r.t.Helper()
	if r.closed {
		return
	}
	r.closed = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.t.Context()), patience)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		r.t.Errorf("close the receiver: %v", err)
	}
}

// next receives n messages, and acknowledges none.
func (r *receiver) next(n int) []message.Delivery {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	var got []message.Delivery
	for len(got) < n {
		d, err := r.Receive(ctx)
		if ctx.Err() != nil {
			r.t.Fatalf("received %d messages of %d within %v", len(got), n, patience)
		}
		if err != nil {
			r.t.Fatalf("receive: %v", err)
		}
		if len(d) == 0 {
			r.t.Fatal("Receive returned no message and no error")
		}
		got = append(got, d...)
	}
	return got
}

// handle receives and acknowledges n messages, one after another, and returns them.
func (r *receiver) handle(n int) []message.Delivery {
	r.t.Helper()
	var got []message.Delivery
	for len(got) < n {
		d := r.next(1)
		r.ack(d...)
		got = append(got, d...)
	}
	return got
}

func (r *receiver) ack(d ...message.Delivery) {
	r.t.Helper()
	if err := r.Ack(r.t.Context(), d...); err != nil {
		r.t.Fatalf("acknowledge: %v", err)
	}
}

// nothing sees that nothing comes for a while. What must not come is mostly there
// at once, if it comes at all.
func (r *receiver) nothing(while time.Duration) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), while)
	defer cancel()
	d, err := r.Receive(ctx)
	if len(d) > 0 {
		r.t.Fatalf("%d messages came, the first: %s", len(d), d[0].ID)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		r.t.Fatalf("Receive returned %v, want the context's error", err)
	}
}

// publish publishes messages whose IDs are their numbers.
func (s *suite) publish(t *testing.T, from, to int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for n := from; n < to; n++ {
		if err := s.Publish(ctx, s.numbered(n)); err != nil {
			t.Fatalf("publish: %v", err)
		}
	}
}

func (s *suite) numbered(n int) message.Message {
	return message.Message{ID: fmt.Sprint(n), Topic: s.topic, Time: time.Now(), Body: fmt.Append(nil, "body ", n)}
}

// ids are what deliveries are called.
func ids(d []message.Delivery) []string {
	var all []string
	for _, d := range d {
		all = append(all, d.ID)
	}
	return all
}
