package lock

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/seguehq/segue/store"
)

// An Owner is who holds a lock or waits for it.
type Owner struct {
	Name    string    `json:"name"`              // the instance, or host:pid
	Service string    `json:"service,omitempty"` // $SEGUE_SERVICE
	Release string    `json:"release,omitempty"` // $SEGUE_RELEASE
	Since   time.Time `json:"-"`                 // it holds or waits, by the store's clock (of a store that is no store.Locker: by a process's)
}

// String is "web-a1 (release 7 of shop) since 15:04:05".
func (o Owner) String() string {
	release := o.Service
	switch {
	case o.Release != "" && o.Service != "":
		release = "release " + o.Release + " of " + o.Service
	case o.Release != "":
		release = "release " + o.Release
	}
	s := o.Name
	if release != "" {
		s += " (" + release + ")"
	}
	return s + " since " + o.Since.Local().Format(time.TimeOnly)
}

func thisProcess() Owner {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return Owner{Name: cmp.Or(os.Getenv("SEGUE_INSTANCE"), fmt.Sprintf("%s:%d", host, os.Getpid())),
		Service: os.Getenv("SEGUE_SERVICE"), Release: os.Getenv("SEGUE_RELEASE")}
}

func (o Owner) encode() string {
	b, err := json.Marshal(o)
	if err != nil {
		return o.Name // strings can be encoded; this is for the reader only
	}
	return string(b)
}

// ownerOf reads what encode has written; anything else is a name.
func ownerOf(p store.LockParty) Owner {
	var o Owner
	if json.Unmarshal([]byte(p.Owner), &o) != nil {
		o = Owner{Name: p.Owner}
	}
	o.Since = p.Since
	return o
}

// ErrHeld: another holds the lock.
var ErrHeld = errors.New("the lock is held")

// A HeldError says who holds a lock. It is an ErrHeld.
type HeldError struct {
	Key    string
	Holder Owner
	cause  error // why no more was waited for it
}

func (e *HeldError) Error() string {
	s := fmt.Sprintf("lock: %q is held by %v", e.Key, e.Holder)
	if e.cause != nil {
		s = fmt.Sprintf("%s; waited for it until: %v", s, e.cause)
	}
	return s
}

// Unwrap makes it an ErrHeld and, after a wait, what ended the wait.
func (e *HeldError) Unwrap() []error {
	if e.cause == nil {
		return []error{ErrHeld}
	}
	return []error{ErrHeld, e.cause}
}

// refusal says why there is no lock.
func (a *attempt) refusal(cause error) error {
	if a.grant.Holder.ID == "" || a.grant.Token != 0 {
		return fmt.Errorf("lock: acquire %q: %w", a.request.Key, cause)
	}
	return &HeldError{a.request.Key, ownerOf(a.grant.Holder), cause}
}

// A Lock is a lock that is held.
type Lock struct {
	Key     string
	Token   int64
	Holder  Owner
	Left    time.Duration // until its lease ends, unless it is extended
	Waiters []Owner       // who comes first stands first
}

// Held lists the locks that are held and whose keys match the pattern, in the
// order of their keys. In a pattern, * stands for any characters and ? for one.
func (l *Locks) Held(ctx context.Context, pattern string) ([]Lock, error) {
	prefix := pattern
	if n := strings.IndexAny(pattern, "*?"); n >= 0 {
		prefix = pattern[:n]
	}
	var all []Lock
	for s, err := range l.locker.Locks(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("lock: list %q: %w", pattern, err)
		}
		if !match(pattern, s.Key) {
			continue
		}
		k := Lock{Key: s.Key, Token: int64(s.Token), Holder: ownerOf(s.Holder), Left: s.Holder.Left}
		for _, w := range s.Waiters {
			k.Waiters = append(k.Waiters, ownerOf(w))
		}
		all = append(all, k)
	}
	return all, nil
}

// match goes on at the last star when something does not fit: that star takes
// one character more.
func match(pattern, key string) bool {
	p, k := []rune(pattern), []rune(key)
	i, j, star, from := 0, 0, -1, 0
	for j < len(k) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == k[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
