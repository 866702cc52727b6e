package redis

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/store"
)

// A list reads entries by the dozen, more while they are small: at most about
// this many bytes wait for who reads it.
const (
	listBytes = 4 << 20
	listMost  = 512
	listFirst = 16
)

// List implements store.Store. It walks over all keys of the database, also those
// of others: not for every request.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		keys, err := s.names(ctx, s.set.entry(""), prefix)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for n := listFirst; len(keys) > 0; {
			some := keys[:min(n, len(keys))]
			keys = keys[len(some):]
			entries, err := s.several(ctx, some)
			size := 1
			for _, e := range entries {
				size += len(e.Value)
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			n = min(max(1, listBytes*len(some)/size), listMost)
		}
	}
}

// names are the keys of one kind that begin with prefix, in order.
func (s *Store) names(ctx context.Context, kind, prefix string) ([]string, error) {
	var keys []string
	pattern := escape(kind+prefix) + "*"
	for cursor := "0"; ; {
		if err := s.enter(ctx); err != nil {
			return nil, err
		}
		answer, err := s.read(ctx, func() rueidis.RedisResult {
			return s.scripts.scan.Exec(ctx, s.client, []string{s.set.revision()}, []string{cursor, pattern})
		}).ToArray()
		if err == nil && len(answer) == 2 {
			cursor, err = answer[0].ToString()
		}
		if err != nil {
			return nil, s.fail(ctx, "list", prefix, err)
		}
		found, err := answer[1].AsStrSlice()
		if err != nil {
			return nil, s.fail(ctx, "list", prefix, err)
		}
		for _, name := range found {
			keys = append(keys, strings.TrimPrefix(name, kind))
		}
		if cursor == "0" {
			slices.Sort(keys)
			return slices.Compact(keys), nil // SCAN may tell of a key twice
		}
	}
}

// escape makes a pattern that matches the text alone.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `^`, `\^`, `-`, `\-`).Replace(text)
}

// several gets those of the keys that are still there.
func (s *Store) several(ctx context.Context, keys []string) ([]store.Entry, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = s.set.entry(key)
	}
	values, err := s.read(ctx, func() rueidis.RedisResult {
		return s.client.Do(ctx, s.client.B().Mget().Key(names...).Build())
	}).ToArray()
	if err != nil {
		return nil, s.fail(ctx, "list", keys[0], err)
	}
	var entries []store.Entry
	for i, v := range values {
		packed, err := v.AsBytes()
		if rueidis.IsRedisNil(err) {
			continue
		}
		if err == nil {
			var e store.Entry
			if e, err = unpack(keys[i], packed); err == nil {
				entries = append(entries, e)
				continue
			}
		}
		return entries, s.fail(ctx, "list", keys[i], err)
	}
	return entries, nil
}
