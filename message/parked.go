package message

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/seguehq/segue/store"
)

// ErrNotParked: no such message is parked, or no longer.
var ErrNotParked = errors.New("message: no such message is parked")

const (
	parkedPrefix   = "message/parked/"   // NAME: a ParkedMessage
	retryPrefix    = "message/retry/"    // TOPIC/GROUP/NAME: it is to be handled anew
	retryingPrefix = "message/retrying/" // NAME: an instance is at it
)

// allKept is how long a message to all is kept that was parked: nobody can try it
// again, so that it is there to be looked at only.
const allKept = 7 * 24 * time.Hour

// A ParkedMessage is one that no handler could take.
type ParkedMessage struct {
	// Parked names it: the same for a message that is parked by one group again.
	Parked   string    `json:"parked"`
	Group    string    `json:"group"`    // whose handler it was; empty: one of all instances
	Reason   string    `json:"reason"`   // the last error
	Attempts int       `json:"attempts"` // how often it was tried in all
	Since    time.Time `json:"since"`
	Instance string    `json:"instance"`          // which has parked it
	Release  string    `json:"release,omitempty"` // of that instance
	Retrying bool      `json:"retrying"`          // Retry was called, and nobody has handled it yet
	Message  Message   `json:"message"`
}

func parkedName(topic, group, id string) string {
	sum := sha256.Sum256([]byte(topic + "\x00" + group + "\x00" + id))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

func (p ParkedMessage) retryKey() string {
	return retryPrefix + p.Message.Topic + "/" + p.Group + "/" + p.Parked
}

// park writes down that a message cannot be handled.
func (b *Bus) park(ctx context.Context, group string, w *work) error {
	p := ParkedMessage{Parked: parkedName(w.Topic, group, w.ID), Group: group, Reason: w.reason.Error(), Attempts: w.tries, Since: time.Now(),
		Instance: instance(), Release: os.Getenv("SEGUE_RELEASE"), Message: w.Message}
	r, again := w.Tag.(*retry)
	if again {
		p.Attempts += r.attempts
	}
	ttl := time.Duration(0)
	if group == "" {
		ttl = allKept
	}
	if _, err := put(ctx, b.store, p, store.Any, ttl); err != nil {
		return err
	}
	if again {
		r.parked = true
		return b.store.Delete(ctx, p.retryKey(), store.Any)
	}
	return nil
}

func put(ctx context.Context, s store.Store, p ParkedMessage, expect store.Revision, ttl time.Duration) (store.Revision, error) {
	value, err := json.Marshal(p)
	if err != nil {
		return 0, err
	}
	return s.Put(ctx, store.Write{Key: parkedPrefix + p.Parked, Value: value, Expect: expect, TTL: ttl})
}

func instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return cmp.Or(os.Getenv("SEGUE_INSTANCE"), fmt.Sprintf("%s:%d", host, os.Getpid()))
}

// Parked are the messages that are parked in a store. It may be used concurrently.
type Parked struct {
	store store.Store
}

// NewParked returns the messages that buses over s have parked.
func NewParked(s store.Store) *Parked { return &Parked{s} }

// List returns what is parked, in no particular order.
func (p *Parked) List(ctx context.Context) ([]ParkedMessage, error) {
	var all []ParkedMessage
	for e, err := range p.store.List(ctx, parkedPrefix) {
		var m ParkedMessage
		if err == nil {
			err = json.Unmarshal(e.Value, &m)
		}
		if err != nil {
			return nil, fmt.Errorf("message: list what is parked: %w", err)
		}
		all = append(all, m)
	}
	return all, nil
}

// Get returns one parked message, or ErrNotParked.
func (p *Parked) Get(ctx context.Context, parked string) (ParkedMessage, error) {
	m, _, err := p.get(ctx, parked)
	return m, err
}

func (p *Parked) get(ctx context.Context, parked string) (m ParkedMessage, revision store.Revision, err error) {
	e, err := p.store.Get(ctx, parkedPrefix+parked)
	if errors.Is(err, store.ErrNotFound) {
		return m, 0, fmt.Errorf("%w: %q", ErrNotParked, parked)
	}
	if err == nil {
		err = json.Unmarshal(e.Value, &m)
	}
	if err != nil {
		err = fmt.Errorf("message: parked message %q: %w", parked, err)
	}
	return m, e.Revision, err
}

// Retry has one instance of the group handle the message anew, with all its
// attempts. It returns when that is written down: an instance takes it at once, or
// the first that is started. If it fails, it is parked again. A message to all
// instances is refused: publish it again.
func (p *Parked) Retry(ctx context.Context, parked string) error {
	for {
		m, revision, err := p.get(ctx, parked)
		if err != nil {
			return err
		}
		if m.Group == "" {
			return fmt.Errorf("message: %q was for all instances, and the others have handled it: publish it again, or drop it", parked)
		}
		m.Retrying = true
		_, err = put(ctx, p.store, m, revision, 0)
		if err == nil {
			_, err = p.store.Put(ctx, store.Write{Key: m.retryKey(), Expect: store.Any})
		}
		if err == nil || !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// Drop forgets a message, or returns ErrNotParked.
func (p *Parked) Drop(ctx context.Context, parked string) error {
	m, _, err := p.get(ctx, parked)
	if err != nil {
		return err
	}
	if err := p.store.Delete(ctx, m.retryKey(), store.Any); err != nil {
		return err
	}
	return p.store.Delete(ctx, parkedPrefix+parked, store.Any)
}
