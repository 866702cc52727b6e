package sqlite_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/store"
)

func BenchmarkStore(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "store.db"))
	defer s.Close()
	value := make([]byte, 200)
	put := func(b *testing.B, key string, ttl time.Duration) {
		if _, err := s.Put(b.Context(), store.Write{Key: key, Value: value, Expect: store.Any, TTL: ttl}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("put", func(b *testing.B) {
		for n := range b.N {
			put(b, fmt.Sprint(n%1000), time.Hour)
		}
	})
	b.Run("get", func(b *testing.B) {
		put(b, "a", 0)
		for b.Loop() {
			if _, err := s.Get(b.Context(), "a"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("create and delete", func(b *testing.B) {
		for b.Loop() {
			r, err := s.Put(b.Context(), store.Write{Key: "lock", Value: value[:50], TTL: time.Minute})
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Delete(b.Context(), "lock", r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("put in parallel", func(b *testing.B) {
		var id atomic.Int64
		b.SetParallelism(16)
		b.RunParallel(func(p *testing.PB) {
			key := fmt.Sprint("p", id.Add(1))
			for p.Next() {
				put(b, key, time.Hour)
			}
		})
	})
}
