// Shop is the reference for a service that is replaced while people work with it: a
// warehouse, in two services of one program.
//
//	shop api     the web page, and what programs ask
//	shop jobs    what happens without anybody asking
//
// Read it in this order: main.go has the parts, and how they start and stop;
// web.go the sessions; shipments.go a lock, and a message to one; products.go a
// cache, and a message to all; orders.go a job; live.go a stream that ends well.
// entries.go reads and writes the store.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/message"
	brokers "github.com/seguehq/segue/message/open"
	"github.com/seguehq/segue/session"
	"github.com/seguehq/segue/store"
	stores "github.com/seguehq/segue/store/open"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	st, err := stores.Default(ctx) // a SQLite file, or what SEGUE_STORE says
	if err != nil {
		return err
	}
	broker, err := brokers.Default(ctx) // over that store, or what SEGUE_BROKER says
	if err != nil {
		return errors.Join(err, st.Close())
	}
	bus := message.New(broker, st)
	w, err := newWarehouse(store.Prefixed(st, "shop/"), bus)
	if err != nil {
		return err
	}
	leave := func(context.Context) error { return errors.Join(w.items.Close(), broker.Close(), st.Close()) }
	var work lifecycle.Component
	switch {
	case len(args) == 1 && args[0] == "api":
		work = api(w, st)
	case len(args) == 1 && args[0] == "jobs":
		if work, err = jobs(w, st); err != nil {
			return err
		}
	default:
		return fmt.Errorf("usage: %s api|jobs", os.Args[0])
	}
	// Nothing is packed before the first instance of jobs has subscribed to what is:
	// its sync begins after the bus, and without it there is nothing to pack.
	messages := bus.Component().DependsOn("warehouse")
	return lifecycle.Run(ctx, lifecycle.Func("warehouse", w.fill, leave), messages, work.DependsOn(messages.Name))
}

// api answers requests. Every instance of it is told of every product that changes.
func api(w *warehouse, st store.Store) lifecycle.Component {
	sessions := session.New(st)
	sessions.Timeout = patience
	sessions.Cookie.Secure = false // the example speaks plain HTTP
	site := &web{w, sessions, &screens{}}
	w.bus.All(productChanged, message.On(site.screens.show))
	return lifecycle.HTTP(&http.Server{Handler: site.handler()}, lifecycle.WithReadiness("/ready"))
}

// jobs does what is due, and books what was packed: each time one instance of it.
func jobs(w *warehouse, st store.Store) (lifecycle.Component, error) {
	system, err := openOrders()
	if err != nil {
		return lifecycle.Component{}, err
	}
	w.bus.One(shipmentPacked, "stock", message.On(func(ctx context.Context, m message.Of[packed]) error {
		if err := w.book(ctx, m.Value); err != nil {
			return err
		}
		return system.sent(ctx, m.Value.ID)
	}), message.Once(24*time.Hour), message.Workers(8))

	j := job.New(st, job.Lease(3*time.Second))
	j.Add("sync-orders", job.Every(5*time.Second), func(ctx context.Context) error { return w.sync(ctx, system) },
		job.AtMostFor(time.Minute), job.Retry(1))
	j.Add("finish-shipments", job.Every(10*time.Second), w.finishAll)
	return j.Component(), nil
}
