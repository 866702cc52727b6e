package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/session"
	"github.com/seguehq/segue/store"
)

// The shapes of one value in three releases. The second has a field more, the
// third cannot be read by either.
type (
	cart1 struct {
		Items []string `json:"items"`
	}
	cart2 struct {
		Items  []string `json:"items"`
		Coupon string   `json:"coupon,omitempty"`
	}
	cart3 struct {
		Items map[string]int `json:"items"`
	}
)

// A fleet is one session that releases side by side work on.
type fleet struct {
	b     *browser
	cart1 session.Value[cart1]
	cart2 session.Value[cart2]
	cart3 session.Value[cart3]
}

func newFleet(t *testing.T, b *browser) *fleet {
	s := b.sessions
	return &fleet{
		b:     b,
		cart1: session.Value[cart1]{Sessions: s, Name: "cart"},
		cart2: session.Value[cart2]{Sessions: s, Name: "cart"},
		cart3: session.Value[cart3]{Sessions: s, Name: "cart", Version: 3, Older: func(version int, data json.RawMessage) (cart3, error) {
			if version != 0 {
				t.Errorf("asked for version %d", version)
			}
			var old cart1
			err := json.Unmarshal(data, &old)
			now := cart3{map[string]int{}}
			for _, item := range old.Items {
				now.Items[item]++
			}
			return now, err
		}},
	}
}

// works does one thing in one request.
func (f *fleet) works(fn func(ctx context.Context) error) {
	f.b.t.Helper()
	f.b.do(func(ctx context.Context) {
		if err := fn(ctx); err != nil {
			f.b.t.Error(err)
		}
	})
}

func olderReleaseKeepsFieldsThatItDoesNotKnow(t *testing.T, b *browser) {
	f := newFleet(t, b)
	f.works(func(ctx context.Context) error { return f.cart2.Put(ctx, cart2{[]string{"tea"}, "SPRING"}) })
	f.works(func(ctx context.Context) error {
		return f.cart1.Update(ctx, func(c cart1) (cart1, error) {
			c.Items = append(c.Items, "cup")
			return c, nil
		})
	})
	f.works(func(ctx context.Context) error {
		c, err := f.cart1.Get(ctx)
		c.Items = append(c.Items, "pot")
		return errors.Join(err, f.cart1.Put(ctx, c))
	})
	f.works(func(ctx context.Context) error {
		c, err := f.cart2.Get(ctx)
		if !slices.Equal(c.Items, []string{"tea", "cup", "pot"}) || c.Coupon != "SPRING" {
			t.Errorf("the newer release finds %+v", c)
		}
		return errors.Join(err, f.cart2.Put(ctx, cart2{Items: c.Items}))
	})
	f.works(func(ctx context.Context) error {
		c, err := f.cart2.Get(ctx)
		if c.Coupon != "" {
			t.Errorf("what the newer release has emptied is back: %+v", c)
		}
		return err
	})
}

func versionsLieBesideEachOther(t *testing.T, b *browser) {
	f := newFleet(t, b)
	f.works(func(ctx context.Context) error { return f.cart1.Put(ctx, cart1{[]string{"tea", "tea"}}) })
	f.works(func(ctx context.Context) error { // the newer takes it over
		c, err := f.cart3.Get(ctx)
		if c.Items["tea"] != 2 {
			t.Errorf("the newer release finds %+v", c)
		}
		return errors.Join(err, f.cart3.Update(ctx, func(c cart3) (cart3, error) { c.Items["cup"]++; return c, nil }))
	})
	f.works(func(ctx context.Context) error { // the older goes on with its own
		c, err := f.cart1.Get(ctx)
		if !slices.Equal(c.Items, []string{"tea", "tea"}) {
			t.Errorf("the older release finds %+v", c)
		}
		return errors.Join(err, f.cart1.Put(ctx, cart1{[]string{"pot"}}))
	})
	f.works(func(ctx context.Context) error { // and the newer again
		c, err := f.cart3.Get(ctx)
		if !maps.Equal(c.Items, map[string]int{"tea": 2, "cup": 1}) {
			t.Errorf("the newer release finds %+v", c)
		}
		return err
	})
	b.do(func(ctx context.Context) {
		if got := b.sessions.Keys(ctx); !slices.Equal(got, []string{"cart"}) {
			t.Errorf("keys %v", got)
		}
		b.sessions.Remove(ctx, "cart")
	})
	f.works(func(ctx context.Context) error { // removed is removed, for both
		one, err1 := f.cart1.Get(ctx)
		three, err3 := f.cart3.Get(ctx)
		if one.Items != nil || three.Items != nil || b.sessions.Exists(ctx, "cart") {
			t.Errorf("there is %v and %v", one, three)
		}
		return errors.Join(err1, err3)
	})
}

// Where the version was forgotten.
func unreadableValueIsNotWrittenOver(t *testing.T, b *browser) {
	f := newFleet(t, b)
	forgotten := session.Value[cart3]{Sessions: b.sessions, Name: "cart"}
	newer := cart3{map[string]int{"tea": 2}}
	f.works(func(ctx context.Context) error { return forgotten.Put(ctx, newer) })
	b.do(func(ctx context.Context) {
		_, err := f.cart1.Get(ctx)
		for what, err := range map[string]error{
			"get":    err,
			"put":    f.cart1.Put(ctx, cart1{}),
			"update": f.cart1.Update(ctx, func(c cart1) (cart1, error) { return c, nil }),
		} {
			if !errors.Is(err, session.ErrUnreadable) || !strings.Contains(err.Error(), `"cart"`) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if b.sessions.GetString(ctx, "cart") != "" || b.sessions.GetInt(ctx, "cart") != 0 {
			t.Error("it is read as what it is not")
		}
		b.sessions.Put(ctx, "user", "ada")
	})
	f.works(func(ctx context.Context) error {
		c, err := forgotten.Get(ctx)
		if !maps.Equal(c.Items, newer.Items) {
			t.Errorf("the newer release finds %+v", c)
		}
		return err
	})
	b.do(func(ctx context.Context) {
		f.cart1.Remove(ctx)
		if err := f.cart1.Put(ctx, cart1{[]string{"cup"}}); err != nil {
			t.Error(err)
		}
	})
	f.works(func(ctx context.Context) error {
		c, err := f.cart1.Get(ctx)
		if !slices.Equal(c.Items, []string{"cup"}) {
			t.Errorf("there is %+v", c)
		}
		return err
	})
}

// An update meets a newer release's value only when it is saved.
func unreadableValueFailsAnUpdateThatMeetsIt(t *testing.T, b *browser) {
	b.sessions.Logger = slog.New(slog.DiscardHandler)
	f := newFleet(t, b)
	forgotten := session.Value[cart3]{Sessions: b.sessions, Name: "cart"}
	b.put("a", "1")
	under := b.start(func(ctx context.Context) {
		if err := f.cart1.Update(ctx, func(c cart1) (cart1, error) { return c, nil }); err != nil {
			t.Error(err)
		}
	})
	f.works(func(ctx context.Context) error { return forgotten.Put(ctx, cart3{map[string]int{"tea": 2}}) })
	wantStatus(t, under.end(), http.StatusInternalServerError)
	f.works(func(ctx context.Context) error {
		c, err := forgotten.Get(ctx)
		if c.Items["tea"] != 2 {
			t.Errorf("there is %+v", c)
		}
		return err
	})
}

func whatANewerReleaseKeepsOfTheSessionIsKept(t *testing.T, b *browser) {
	b.put("a", "1")
	b.rewrite(func(value string) string { return strings.Replace(value, "{", `{"$device":{"name":"phone"},`, 1) })
	b.put("a", "2")
	b.login("ada")
	b.do(func(ctx context.Context) {
		b.sessions.Clear(ctx)
		if got := b.sessions.Keys(ctx); len(got) != 0 {
			t.Errorf("keys %v", got)
		}
	})
	seen := false
	b.rewrite(func(value string) string {
		seen = seen || strings.Contains(value, `"$device":{"name":"phone"}`)
		return value
	})
	if !seen {
		t.Error("it is gone")
	}
}

func newerFormatIsNotTouched(t *testing.T, b *browser) {
	b.sessions.Logger = slog.New(slog.DiscardHandler)
	b.put("a", "1")
	b.rewrite(func(value string) string { return strings.Replace(value, `"$v":1`, `"$v":2`, 1) })
	r := b.put("a", "2")
	wantUnavailable(t, r)
	io.Copy(io.Discard, r.Body)
	b.rewrite(func(value string) string { return strings.Replace(value, `"$v":2`, `"$v":1`, 1) })
	b.sees("a", "1")
}

func TestWhatIsWrittenCanBeReadByThoseWhoCome(t *testing.T) {
	b := newBrowser(t, inMemory())
	b.do(func(ctx context.Context) {
		b.sessions.Put(ctx, "user", "ada")
		if err := newFleet(t, b).cart3.Put(ctx, cart3{map[string]int{"tea": 2}}); err != nil {
			t.Error(err)
		}
	})
	var deadline, touched int64
	b.rewrite(func(value string) string {
		// This is what lies in users' stores: a change of it is a new format.
		_, err := fmt.Sscanf(value, `{"$deadline":%d,"$touched":%d,"$v":1,"cart$3":{"items":{"tea":2}},"user":"ada"}`, &deadline, &touched)
		if err != nil || deadline-touched < 86_000_000 || deadline-touched > 86_400_000 {
			t.Errorf("%s: %v", value, err)
		}
		return value
	})
}

func TestVersionsBeginAtZero(t *testing.T) {
	b := newBrowser(t, inMemory())
	b.do(func(ctx context.Context) {
		for _, v := range []session.Value[int]{{b.sessions, "n", -1, nil}, {b.sessions, "n$1", 0, nil}, {b.sessions, "", 0, nil}} {
			if err := v.Put(ctx, 1); err == nil {
				t.Errorf("%q, version %d: put", v.Name, v.Version)
			}
		}
	})
}

// rewrite changes what the store has of this service's sessions.
func (b *browser) rewrite(change func(value string) string) {
	b.t.Helper()
	for e, err := range b.store.List(b.t.Context(), "session/"+b.sessions.Cookie.Name+"/") {
		if err != nil {
			b.t.Fatal(err)
		}
		if _, err := b.store.Put(b.t.Context(), store.Write{Key: e.Key, Value: []byte(change(string(e.Value))), Expect: e.Revision}); err != nil {
			b.t.Fatal(err)
		}
	}
}

func TestOlderIsNotAskedForWhatIsNewer(t *testing.T) {
	b := newBrowser(t, inMemory())
	f := newFleet(t, b)
	f.works(func(ctx context.Context) error { return f.cart3.Put(ctx, cart3{map[string]int{"tea": 2}}) })
	second := f.cart3
	second.Version = 2
	f.works(func(ctx context.Context) error {
		c, err := second.Get(ctx)
		if c.Items != nil {
			t.Errorf("there is %+v", c)
		}
		return err
	})
}

// As encoding/json reads them: a member that a field was read from is known,
// however it is written.
func TestMembersAreKnownInWhateverCase(t *testing.T) {
	b := newBrowser(t, inMemory())
	f := newFleet(t, b)
	f.works(func(ctx context.Context) error { return f.cart2.Put(ctx, cart2{[]string{"tea"}, "SPRING"}) })
	b.rewrite(func(value string) string { return strings.Replace(value, `"items"`, `"ITEMS"`, 1) })
	f.works(func(ctx context.Context) error { return f.cart1.Put(ctx, cart1{[]string{"cup"}}) })
	b.rewrite(func(value string) string {
		if strings.Contains(value, "tea") || !strings.Contains(value, "SPRING") {
			t.Errorf("it is %s", value)
		}
		return value
	})
}
