package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/store"
)

type product struct {
	ID, Name string
	Cents    int
}

type stock struct {
	Pieces int
	Booked []string // the last shipments that were taken off it
}

// remembered is how many shipments a stock knows by name: far more than are booked
// between the death of a process and the return of the message it had in hand.
const remembered = 500

// An item is what people see of a product.
type item struct {
	product
	Pieces int
}

// changed says that a product is not what it was.
type changed struct {
	Product, What, By string
	Cents             int `json:",omitempty"` // the new price, if it has one
}

func (c changed) String() string { return c.Product + " " + c.What }

// delivered is how many pieces of each product there are at first.
const delivered = 10_000

var catalogue = []product{
	{"beans", "Coffee beans", 1490}, {"cups", "Cups, six", 2400}, {"filter", "Paper filters", 390},
	{"grinder", "Hand grinder", 8900}, {"kettle", "Kettle", 5900}, {"press", "French press", 3490},
	{"scale", "Scale", 2990}, {"tea", "Green tea", 1190},
}

// fill gives a new warehouse its products. Every instance does it at its start; what
// is there stays.
func (w *warehouse) fill(ctx context.Context) error {
	for _, p := range catalogue {
		if err := errors.Join(create(ctx, w.store, "product/"+p.ID, p), create(ctx, w.store, "stock/"+p.ID, stock{Pieces: delivered})); err != nil {
			return err
		}
	}
	return nil
}

// load is asked by the cache for what it does not have.
func (w *warehouse) load(ctx context.Context, id string) (item, error) {
	p, _, err := read[product](ctx, w.store, "product/"+id)
	if errors.Is(err, store.ErrNotFound) {
		return item{}, errUnknown
	}
	s, _, stockErr := read[stock](ctx, w.store, "stock/"+id)
	return item{p, s.Pieces}, errors.Join(err, stockErr)
}

// all returns the items of the catalogue.
func (w *warehouse) all(ctx context.Context) ([]item, error) {
	items := make([]item, len(catalogue))
	for n, p := range catalogue {
		var err error
		if items[n], err = w.items.Get(ctx, p.ID); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// reprice sets a price, and returns what everybody was told.
func (w *warehouse) reprice(ctx context.Context, id string, cents int, by string) (changed, error) {
	c := changed{Product: id, What: "now costs " + money(cents), By: by, Cents: cents}
	err := update(ctx, w.store, "product/"+id, func(p *product) bool { p.Cents = cents; return true })
	if errors.Is(err, store.ErrNotFound) {
		err = errUnknown
	}
	if err != nil {
		return c, err
	}
	return c, w.tell(ctx, c)
}

// book takes a shipment off the stock. The stock and what was booked on it are one
// entry: what a process has booked that died before it could say so is seen there,
// and not booked twice.
func (w *warehouse) book(ctx context.Context, p packed) error {
	err := update(ctx, w.store, "stock/"+p.Product, func(s *stock) bool {
		if slices.Contains(s.Booked, p.ID) {
			return false
		}
		s.Pieces -= p.Pieces
		s.Booked = append(s.Booked[max(0, len(s.Booked)+1-remembered):], p.ID)
		return true
	})
	if err != nil {
		return err
	}
	return w.tell(ctx, changed{Product: p.Product, What: fmt.Sprintf("%d less in stock", p.Pieces), By: p.By})
}

// tell has no instance answer any more with what it knew, and tells all of them.
func (w *warehouse) tell(ctx context.Context, c changed) error {
	if err := insist(ctx, func(ctx context.Context) error { return w.items.Invalidate(ctx, c.Product) }); err != nil {
		return err
	}
	m, err := message.JSON(productChanged, c)
	if err != nil {
		return err
	}
	return w.bus.Publish(ctx, m)
}

func money(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }
