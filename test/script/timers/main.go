// Command timers has jobs and messages for the scripts, all of them done by hand.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/embedded"
	"github.com/seguehq/segue/store/open"
)

func main() {
	ctx := context.Background()
	st, err := open.Default(ctx)
	if err != nil {
		log.Fatal(err)
	}
	broker := embedded.New(st)
	jobs := job.New(st)
	jobs.Add("tick", job.Every(time.Hour), func(ctx context.Context) error {
		fmt.Println("ticking")
		return nil
	}, job.AtMostFor(time.Minute))
	jobs.Add("nightly", job.Cron("0 3 * * *"), func(ctx context.Context) error { return errors.New("no such table: stock") })
	bus := message.New(broker, st)
	bus.One("shipment.packed", "stock", func(ctx context.Context, m message.Message) error {
		return fmt.Errorf("no such shipment: %s", m.Body)
	}, message.Attempts(2))
	jobs.Add("pack", job.Every(time.Hour), func(ctx context.Context) error {
		return bus.Publish(ctx, message.Message{Topic: "shipment.packed", Body: []byte("4711"), Header: map[string]string{"user": "ann"}})
	})
	if err := lifecycle.Run(ctx, jobs.Component(), bus.Component()); err != nil {
		log.Fatal(err)
	}
}
