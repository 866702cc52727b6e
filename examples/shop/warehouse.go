package main

import (
	"errors"
	"time"

	"github.com/seguehq/segue/cache"
	"github.com/seguehq/segue/lock"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/store"
)

// A warehouse is what api and jobs know of the goods. All of it is in the store:
//
//	product/ID   what it is called and what it costs
//	stock/ID     how many pieces there are
//	open/ID      a shipment that is to be packed
//	packed/ID    who has packed it: whoever has created this entry
//	synced       the last order that became a shipment
type warehouse struct {
	store store.Store
	locks *lock.Locks
	items *cache.Cache[item]
	bus   *message.Bus
}

// The topics.
const (
	shipmentPacked = "shipment-packed" // to one of the jobs service: it books the stock
	productChanged = "product-changed" // to all of the api: they tell who is looking
)

var errUnknown = errors.New("there is no such thing")

func newWarehouse(s store.Store, bus *message.Bus) (*warehouse, error) {
	w := &warehouse{store: s, locks: lock.New(s), bus: bus}
	var err error
	w.items, err = cache.New(s, "items", w.load, cache.Options{MemoryTTL: 10 * time.Second})
	return w, err
}
