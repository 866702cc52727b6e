package lock_test

import (
	"context"
	"fmt"

	"github.com/seguehq/segue/lock"
	"github.com/seguehq/segue/store/memory"
)

func Example() {
	locks := lock.New(memory.New()) // in a service: s, err := open.Default(ctx); lock.New(s)
	ctx := context.Background()

	err := locks.Do(ctx, "monthly-report", func(ctx context.Context) error {
		// One copy of the service at a time comes here.
		err := locks.TryDo(context.Background(), "monthly-report", nil)
		fmt.Println("another is refused:", err != nil)
		fmt.Println("with a fencing token:", lock.Token(ctx) > 0)
		return ctx.Err() // done if the lock is lost
	})
	fmt.Println(err)
	// Output:
	// another is refused: true
	// with a fencing token: true
	// <nil>
}
