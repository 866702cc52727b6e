package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/store"
)

// An order is one of the order system, which belongs to somebody else. Its numbers
// grow.
type order struct {
	Number            int
	Customer, Product string
	Pieces            int
}

// An orderSystem is asked for orders, and told what was sent.
type orderSystem interface {
	// after returns the first of the orders whose numbers are greater than n: pageSize of
	// them, or all.
	after(ctx context.Context, n int) ([]order, error)
	// sent may be called again with the same shipment.
	sent(ctx context.Context, shipment string) error
}

// pageSize is how many orders are fetched at once.
const pageSize = 100

// sync is a job: it makes shipments of the orders that have come in since it ran
// last. If its process is killed between the shipments and the number, they are made
// again: of those that are there nothing comes, nor of those that were packed
// meanwhile.
func (w *warehouse) sync(ctx context.Context, system orderSystem) error {
	for {
		last, revision, err := read[int](ctx, w.store, "synced")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		orders, err := system.after(ctx, last)
		if err != nil || len(orders) == 0 {
			return err
		}
		for _, o := range orders {
			s := shipment{fmt.Sprintf("%08d", o.Number), o.Customer, o.Product, o.Pieces}
			if err := create(ctx, w.store, "open/"+s.ID, s); err != nil {
				return err
			}
		}
		if err := write(ctx, w.store, "synced", revision, orders[len(orders)-1].Number); err != nil {
			return err
		}
		if len(orders) < pageSize {
			return nil
		}
		// If this instance is about to stop, another goes on from here.
		if err := job.Checkpoint(ctx, nil); err != nil {
			return err
		}
	}
}

// openOrders is the system at $ORDERS_URL, or without one an invention.
func openOrders() (orderSystem, error) {
	at := os.Getenv("ORDERS_URL")
	if at == "" {
		return invention{}, nil
	}
	u, err := url.Parse(at)
	return remote{u}, err
}

// An invention is an order system for those who have none: somebody orders something
// every three seconds.
type invention struct{}

func (invention) after(_ context.Context, n int) (orders []order, err error) {
	now := int(time.Now().Unix() / 3)
	for n = max(n, now-20) + 1; n <= now; n++ {
		customer := []string{"Amsel", "Buchfink", "Dohle", "Elster", "Fasan", "Girlitz", "Habicht"}[n%7]
		orders = append(orders, order{n, customer, catalogue[n%len(catalogue)].ID, 1 + n%3})
	}
	return orders, nil
}

func (invention) sent(context.Context, string) error { return nil }

// A remote is an order system that speaks HTTP: GET orders?after=17&limit=100, POST sent/ID.
type remote struct{ url *url.URL }

func (r remote) after(ctx context.Context, n int) (orders []order, err error) {
	u := r.url.JoinPath("orders")
	u.RawQuery = url.Values{"after": {strconv.Itoa(n)}, "limit": {strconv.Itoa(pageSize)}}.Encode()
	body, err := r.ask(ctx, "GET", u)
	if err != nil {
		return nil, err
	}
	return orders, json.Unmarshal(body, &orders)
}

func (r remote) sent(ctx context.Context, shipment string) error {
	_, err := r.ask(ctx, "POST", r.url.JoinPath("sent", shipment))
	return err
}

func (r remote) ask(ctx context.Context, method string, u *url.URL) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if run := job.Current(ctx); run.ID != "" { // so that the other side's log tells runs apart
		req.Header.Set("Sync-Run", run.Slot.UTC().Format(time.RFC3339)+" "+run.Runner.Instance)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, u.Redacted(), res.Status, bytes.TrimSpace(body))
	}
	return body, err
}
