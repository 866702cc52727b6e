package main

import (
	"context"
	"errors"
	"time"

	"github.com/seguehq/segue/lock"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/store"
)

type shipment struct {
	ID, Customer, Product string
	Pieces                int
}

type packed struct {
	shipment
	By    string
	At    time.Time
	Label int64
}

func (p packed) String() string { return p.By + " has packed shipment " + p.ID }

// A packedError says who was there before.
type packedError struct{ packed }

func (e packedError) Error() string { return e.String() }

// pack packs a shipment, one person at a time: whoever comes while another is at it
// gets lock.ErrHeld, whoever comes later packedError. Packing what one has packed
// oneself is done already.
func (w *warehouse) pack(ctx context.Context, id, by string) (p packed, err error) {
	err = w.locks.TryDo(ctx, "shipment/"+id, func(ctx context.Context) error {
		s, _, err := read[shipment](ctx, w.store, "open/"+id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			p, err = w.packed(ctx, id)
		case err == nil:
			p, err = w.packOpen(ctx, s, by)
		}
		return err
	})
	if err == nil && p.By != by {
		err = packedError{p}
	}
	return p, err
}

// packOpen packs what is open, or finishes what somebody has packed and left open.
// The lock keeps two people from doing the work. Who has packed it, though, is
// decided by an entry that cannot be made twice, not even by somebody who was
// suspended for so long that he has lost the lock.
//
// A store has no transaction over several entries. So the shipment is open until
// all that follows from its being packed is done.
func (w *warehouse) packOpen(ctx context.Context, s shipment, by string) (packed, error) {
	p, err := w.packed(ctx, s.ID)
	if errors.Is(err, errUnknown) {
		if err := printLabel(ctx); err != nil {
			return packed{}, err
		}
		if err := create(ctx, w.store, "packed/"+s.ID, packed{s, by, time.Now(), lock.Token(ctx)}); err != nil {
			return packed{}, err
		}
		p, err = w.packed(ctx, s.ID)
	}
	if err != nil {
		return packed{}, err
	}
	return p, w.finish(ctx, p)
}

// packed is who has packed a shipment.
func (w *warehouse) packed(ctx context.Context, id string) (packed, error) {
	p, _, err := read[packed](ctx, w.store, "packed/"+id)
	if errors.Is(err, store.ErrNotFound) {
		err = errUnknown
	}
	return p, err
}

// printLabel stands for what takes a moment and is not to be done twice.
func printLabel(ctx context.Context) error {
	select {
	case <-time.After(50 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// finish does what follows from a shipment's being packed. If it is done again, the
// message has the same ID.
func (w *warehouse) finish(ctx context.Context, p packed) error {
	m, err := message.JSON(shipmentPacked, p)
	if err != nil {
		return err
	}
	m.ID, m.Key = "packed-"+p.ID, p.Product
	if err := w.bus.Publish(ctx, m); err != nil {
		return err
	}
	return insist(ctx, func(ctx context.Context) error { return w.store.Delete(ctx, "open/"+p.ID, store.Any) })
}

// finishAll is a job: it finishes what was packed by processes that were killed
// before they could.
func (w *warehouse) finishAll(ctx context.Context) error {
	open, err := list[shipment](ctx, w.store, "open/", everything)
	if err != nil {
		return err
	}
	for _, s := range open {
		p, err := w.packed(ctx, s.ID)
		if errors.Is(err, errUnknown) || err == nil && time.Since(p.At) < patience {
			continue // nobody has packed it, or somebody is about to finish it
		}
		if err == nil {
			err = w.finish(ctx, p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
