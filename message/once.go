package message

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/store"
)

// What is known of a message that is handled once is an entry: one byte that says
// how far it has come, and the lease or what Once was given as its time to live. An
// entry of a lower kind gives way to a higher one; see store.PutBelow.
const (
	oncePrefix = "message/once/" // TOPIC/GROUP/ID

	claimed = '1'
	done    = '2'
)

var (
	errBusy  = errors.New("message: another is handling it")
	errStore = errors.New("message: the store is away")
	// ErrLost is the cause for which a handler's context is done when the claim of
	// Once cannot be kept: another may handle the message.
	ErrLost = errors.New("message: the claim on the message was lost")
)

// busyPause is after how long it is asked again whether another has finished.
const busyPause = time.Second

func (c *consumer) onceKey(id string) string {
	if len(id) > MaxID || strings.ContainsAny(id, "\x00") || strings.ToValidUTF8(id, "") != id {
		sum := sha256.Sum256([]byte(id))
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	return oncePrefix + c.topic + "/" + c.group + "/" + id
}

// handleOnce claims the message, handles it, and notes that it is done.
func (c *consumer) handleOnce(ctx context.Context, m Message) error {
	key := c.onceKey(m.ID)
	asked := time.Now()
	e, err := c.claim(ctx, key)
	switch {
	case errors.Is(err, store.ErrConflict) && len(e.Value) > 0 && e.Value[0] == done:
		return nil
	case errors.Is(err, store.ErrConflict):
		return errBusy
	case err != nil:
		return fmt.Errorf("%w: %w", errStore, err)
	}
	k := &claim{consumer: c, key: key, revision: e.Revision, until: asked.Add(c.lease)}
	handling, lost := context.WithCancelCause(ctx)
	kept := make(chan struct{})
	go func() { defer close(kept); k.keep(handling, lost) }()
	err = c.call(handling, m)
	isLost := context.Cause(handling) == ErrLost
	lost(nil)
	<-kept
	switch {
	case err == nil:
		k.finish()
	case isLost:
		return errBusy
	default:
		k.release()
	}
	return err
}

func (c *consumer) claim(ctx context.Context, key string) (store.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, c.lease/2)
	defer cancel()
	return store.PutBelow(ctx, c.bus.store, store.Write{Key: key, Value: []byte{claimed}, TTL: c.lease}, []byte{claimed})
}

// A claim is the right to handle a message.
type claim struct {
	*consumer
	key      string
	revision store.Revision
	until    time.Time // by this process's clock, from before the store was asked
}

// keep extends the claim until the context is done, and calls the handler off when
// it cannot.
func (k *claim) keep(ctx context.Context, lost context.CancelCauseFunc) {
	for {
		t := time.NewTimer(k.lease / 3)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		asked := time.Now()
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.lease/3) // release has to know its revision
		revision, err := k.bus.store.Put(call, store.Write{Key: k.key, Value: []byte{claimed}, Expect: k.revision, TTL: k.lease})
		cancel()
		switch {
		case err == nil:
			k.revision, k.until = revision, asked.Add(k.lease)
		case ctx.Err() != nil:
			return
		case errors.Is(err, store.ErrConflict) && !k.ours(ctx), time.Until(k.until) < k.lease/3:
			lost(ErrLost)
			return
		}
	}
}

// ours looks whether a conflict was with a write of our own, of which the answer was
// lost: nobody else writes while a claim is there.
func (k *claim) ours(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, k.lease/3)
	defer cancel()
	e, err := k.bus.store.Get(ctx, k.key)
	if err == nil && time.Until(k.until) > 0 {
		k.revision = e.Revision
	}
	return err == nil && time.Until(k.until) > 0
}

// finish notes that the message is done. If that cannot be, it is acknowledged all
// the same: it comes again only if that fails, too.
func (k *claim) finish() {
	ctx, cancel := context.WithTimeout(k.settling, perCall)
	defer cancel()
	err := insist(ctx, func() error {
		_, err := k.bus.store.Put(ctx, store.Write{Key: k.key, Value: []byte{done}, Expect: store.Any, TTL: k.once})
		return err
	})
	if err != nil {
		k.log.Warn("messages: it could not be noted that one was handled; if it comes again, it is handled again", "key", k.key, "error", err)
	}
}

// release lets others try. If it fails the claim ends with its lease.
func (k *claim) release() {
	ctx, cancel := context.WithTimeout(k.settling, time.Second)
	defer cancel()
	_ = k.bus.store.Delete(ctx, k.key, k.revision)
}
