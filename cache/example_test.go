package cache_test

import (
	"context"
	"fmt"

	"github.com/seguehq/segue/cache"
	"github.com/seguehq/segue/store/memory"
)

func Example() {
	ctx := context.Background() // in a service: s, err := open.Default(ctx) instead of memory.New()
	loadPrice := func(ctx context.Context, product string) (int, error) {
		fmt.Println("asking the database for", product)
		return 350, ctx.Err()
	}
	prices, err := cache.New(memory.New(), "prices", loadPrice, cache.Options{})
	if err != nil {
		panic(err)
	}
	defer prices.Close()
	price, err := prices.Get(ctx, "tea")
	fmt.Println(price, err)
	price, err = prices.Get(ctx, "tea") // from memory
	fmt.Println(price, err, prices.Invalidate(ctx, "tea"))
	// Output:
	// asking the database for tea
	// 350 <nil>
	// 350 <nil> <nil>
}
