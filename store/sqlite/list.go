package sqlite

import (
	"context"
	"fmt"
	"iter"

	"github.com/seguehq/segue/store"
)

// A page is what List reads at once, so that no snapshot is held while its caller
// does something else.
const (
	pageEntries = 256
	pageBytes   = 1 << 20
)

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for from, more := prefix, true; more; {
			var page page
			err := patiently(ctx, func() (err error) { page, err = s.page(ctx, prefix, from); return err })
			if err != nil {
				yield(store.Entry{}, s.failed(fmt.Sprintf("list %q", prefix), err))
				return
			}
			for _, e := range page.entries {
				if !expired(e.expires, s.file.clock.now()) && !yield(e.Entry, nil) {
					return
				}
			}
			from, more = page.last+"\x00", page.more // no key is between these
		}
	}
}

type page struct {
	entries []listed
	last    string // the last key that was looked at
	more    bool
}

type listed struct {
	store.Entry
	expires int64
}

// page reads entries from a key on.
func (s *Store) page(ctx context.Context, prefix, from string) (page, error) {
	if err := s.usable(ctx); err != nil {
		return page{}, err
	}
	rows, err := s.list.Query(from, prefix+"\xff") // UTF-8 has no such byte: all that begins with the prefix is below
	if err != nil {
		return page{}, err
	}
	defer rows.Close()
	var p page
	for size := 0; rows.Next(); {
		var e listed
		if err := rows.Scan(&e.Key, &e.Value, &e.Revision, &e.expires); err != nil {
			return page{}, err
		}
		e.Expires = s.file.clock.wall(e.expires)
		p.entries, p.last = append(p.entries, e), e.Key
		if size += len(e.Value); size >= pageBytes || len(p.entries) == pageEntries {
			p.more = true
			return p, nil
		}
	}
	return p, rows.Err()
}
