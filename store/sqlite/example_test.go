package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/sqlite"
)

func Example() {
	dir, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(dir)
	ctx := context.Background()
	s, err := sqlite.Open(ctx, filepath.Join(dir, "store.db"))
	if err != nil {
		panic(err)
	}
	defer s.Close()
	revision, err := s.Put(ctx, store.Write{Key: "greeting", Value: []byte("hello")})
	fmt.Println(revision > 0, err)
	_, err = s.Put(ctx, store.Write{Key: "greeting", Value: []byte("hi")}) // expects none to be there
	fmt.Println(err)
	// Output:
	// true <nil>
	// store: another has written meanwhile
}
