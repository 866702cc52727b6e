package job_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/store/memory"
)

func Example() {
	jobs := job.New(memory.New()) // in a service: s, err := open.Default(ctx); job.New(s)
	ctx, stop := context.WithCancel(context.Background())

	jobs.Add("sync-orders", job.Every(100*time.Millisecond), func(ctx context.Context) error {
		// One instance of the fleet at a time comes here, once for each time.
		fmt.Println("syncing, by hand:", job.Current(ctx).By != "")
		stop()
		return ctx.Err() // done if the run is lost, or takes longer than AtMostFor
	}, job.AtMostFor(time.Minute))

	err := jobs.Run(ctx) // in a service: lifecycle.Run(ctx, jobs.Component(), web)
	fmt.Println(err)
	// Output:
	// syncing, by hand: false
	// <nil>
}

func ExampleCheckpoint() {
	jobs := job.New(memory.New())
	ctx, stop := context.WithCancel(context.Background())
	customers := []string{"ada", "bob", "cy"}

	jobs.Add("invoices", job.Delay(time.Hour), func(ctx context.Context) error {
		next := 0
		if _, err := job.Resume(ctx, &next); err != nil { // where another was when it stopped
			return err
		}
		for next < len(customers) {
			fmt.Println("invoice for", customers[next])
			next++
			if err := job.Checkpoint(ctx, next); err != nil {
				return err // ErrHandOn: this instance is to stop, and another goes on
			}
		}
		stop()
		return nil
	})

	if err := jobs.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// invoice for ada
	// invoice for bob
	// invoice for cy
}
