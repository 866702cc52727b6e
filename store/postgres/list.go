package postgres

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/seguehq/segue/store"
)

// A list reads entries by the dozen, more while they are small: at most about
// this many bytes wait for who reads it. No connection is held meanwhile.
const (
	listBytes = 4 << 20
	listMost  = 1000
	listFirst = 16
)

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if !utf8.ValidString(prefix) {
			yield(store.Entry{}, fmt.Errorf("store: list %q: the prefix is not UTF-8", prefix))
			return
		}
		from, to := prefix, after(prefix)
		for n := listFirst; ; {
			entries, err := s.some(ctx, from, to, n)
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
			if len(entries) < n {
				return
			}
			from = entries[n-1].Key + "\x01" // the least key that is greater: none has a NUL
			n = min(max(1, listBytes*n/size), listMost)
		}
	}
}

// after is what all keys that begin with prefix are less than, and no other that
// is greater than the prefix.
func after(prefix string) string {
	for prefix != "" {
		r, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch r {
		case utf8.MaxRune:
		case 0xD7FF:
			return prefix + "\uE000" // there is nothing between
		default:
			return prefix + string(r+1)
		}
	}
	return strings.Repeat(string(utf8.MaxRune), store.MaxKey/utf8.UTFMax+1)
}

// some reads at most n entries.
func (s *Store) some(ctx context.Context, from, to string, n int) ([]store.Entry, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	var entries []store.Entry
	err := s.try(ctx, broken, func() error {
		rows, err := s.pool.Query(ctx, s.sql.list, from, to, n)
		if err != nil {
			return err
		}
		entries, err = pgx.CollectRows(rows, entry)
		return err
	})
	return entries, s.fail(ctx, "list", from, err)
}

func entry(row pgx.CollectableRow) (e store.Entry, err error) {
	var expires *time.Time
	err = row.Scan(&e.Key, &e.Value, &e.Revision, &expires)
	if expires != nil {
		e.Expires = *expires
	}
	return e, err
}
