// The service of test/fleet: a shop that keeps nothing in its memory. It uses
// lifecycle, store, session, cache and lock as a user's service would, and its
// answers let a client see what was lost.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/seguehq/segue/cache"
	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/lock"
	"github.com/seguehq/segue/session"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/open"
)

// A price is what is kept in the cache.
type price struct {
	Item  string
	Cents int
}

type shop struct {
	store    store.Store
	sessions *session.Manager
	prices   *cache.Cache[price]
	locks    *lock.Locks
}

func main() {
	log.SetPrefix(fmt.Sprintf("%d: ", os.Getpid()))
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	st, err := open.Default(context.Background())
	if err != nil {
		return err
	}
	s := &shop{store: st, sessions: session.New(st), locks: lock.New(st, lock.Lease(30*time.Second))}
	s.sessions.Cookie.Secure = false // the test speaks plain HTTP
	if s.prices, err = cache.New(st, "prices", s.loadPrice, cache.Options{StoreTimeout: time.Minute}); err != nil {
		return err
	}
	mux := http.NewServeMux()
	for path, h := range map[string]func(*http.Request) (any, error){
		"POST /login": s.login,
		"POST /visit": s.visit,
		"POST /sell":  s.sell,
		"GET /price":  s.price,
		"POST /price": s.setPrice,
	} {
		mux.HandleFunc(path, answer(h))
	}
	mux.HandleFunc("GET /pid", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })
	app := lifecycle.App{PIDFile: os.Getenv("PIDFILE"), Components: []lifecycle.Component{
		lifecycle.Func("store", nil, func(context.Context) error { return errors.Join(s.prices.Close(), st.Close()) }),
		lifecycle.HTTP(&http.Server{Handler: s.sessions.LoadAndSave(mux)},
			lifecycle.WithReadiness("/ready"), lifecycle.WithIdleGap(time.Second)),
	}}
	return app.Run(context.Background())
}

// answer writes what a handler returns as JSON, with the release that a drill
// counts by.
func answer(h func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := h(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			log.Print(err)
		}
	}
}

func (s *shop) login(r *http.Request) (any, error) {
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		return nil, err
	}
	user := r.FormValue("user")
	s.sessions.Put(r.Context(), "user", user)
	return map[string]any{"user": user}, nil
}

// visit counts the visits of who is logged in.
func (s *shop) visit(r *http.Request) (any, error) {
	n := s.sessions.GetInt(r.Context(), "visits") + 1
	s.sessions.Put(r.Context(), "visits", n)
	return map[string]any{"user": s.sessions.GetString(r.Context(), "user"), "visits": n}, nil
}

// A till is what a lock alone keeps in order: it is read and then written,
// whatever stands there meanwhile.
type till struct {
	Sold  int
	Token int64 // of the last who wrote
}

func (s *shop) sell(r *http.Request) (any, error) {
	var t till
	err := s.locks.Do(r.Context(), "till", func(ctx context.Context) error {
		e, err := s.store.Get(ctx, "till")
		if err == nil {
			err = json.Unmarshal(e.Value, &t)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if lock.Token(ctx) <= t.Token {
			return fmt.Errorf("token %d after %d", lock.Token(ctx), t.Token)
		}
		t = till{Sold: t.Sold + 1, Token: lock.Token(ctx)}
		data, err := json.Marshal(t)
		if err != nil {
			return err
		}
		_, err = s.store.Put(ctx, store.Write{Key: "till", Value: data, Expect: store.Any})
		return err
	})
	return t, err
}

// priceOf is where an item's price stands in the store.
func priceOf(item string) string { return "price/" + item }

func (s *shop) loadPrice(ctx context.Context, item string) (price, error) {
	e, err := s.store.Get(ctx, priceOf(item))
	if errors.Is(err, store.ErrNotFound) {
		return price{Item: item, Cents: 100}, nil
	}
	if err != nil {
		return price{}, err
	}
	var p price
	return p, json.Unmarshal(e.Value, &p)
}

func (s *shop) price(r *http.Request) (any, error) {
	return s.prices.Get(r.Context(), r.FormValue("item"))
}

func (s *shop) setPrice(r *http.Request) (any, error) {
	p := price{Item: r.FormValue("item")}
	if _, err := fmt.Sscan(r.FormValue("cents"), &p.Cents); err != nil {
		return nil, err
	}
	data, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Put(r.Context(), store.Write{Key: priceOf(p.Item), Value: data, Expect: store.Any}); err != nil {
		return nil, err
	}
	return p, s.prices.Invalidate(r.Context(), p.Item)
}
