package main

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/seguehq/segue/lock"
	"github.com/seguehq/segue/session"
)

//go:embed page.html
var files embed.FS

var page = template.Must(template.New("page.html").Funcs(template.FuncMap{"money": money}).ParseFS(files, "page.html"))

// A web is the warehouse for people with a browser, and for programs that accept
// application/json.
type web struct {
	*warehouse
	sessions *session.Manager
	screens  *screens
}

func (w *web) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", w.home)
	mux.HandleFunc("POST /login", w.login)
	mux.HandleFunc("POST /logout", w.logout)
	mux.HandleFunc("GET /shipments", w.member(w.open))
	mux.HandleFunc("GET /shipments/{id}", w.member(w.shipment))
	mux.HandleFunc("POST /shipments/{id}/pack", w.member(w.packShipment))
	mux.HandleFunc("GET /products/{id}", w.member(w.product))
	mux.HandleFunc("POST /products/{id}", w.member(w.setPrice))
	mux.Handle("GET /live", w.screens)
	return http.NewCrossOriginProtection().Handler(w.sessions.LoadAndSave(mux))
}

// login believes anybody to be who he says he is. A real one asks for a password
// here, and nothing else changes.
func (w *web) login(rw http.ResponseWriter, r *http.Request) {
	user := strings.TrimSpace(r.FormValue("user"))
	if user == "" || len(user) > 100 {
		fail(rw, r, refusal{http.StatusBadRequest, "a name has 1 to 100 letters"})
		return
	}
	if err := w.sessions.RenewToken(r.Context()); err != nil {
		fail(rw, r, err)
		return
	}
	w.sessions.Put(r.Context(), "user", user)
	done(rw, r, map[string]string{"User": user})
}

func (w *web) logout(rw http.ResponseWriter, r *http.Request) {
	if err := w.sessions.Destroy(r.Context()); err != nil {
		fail(rw, r, err)
		return
	}
	done(rw, r, nil)
}

// member is a handler for those who are logged in. Who has posted a form reads on
// the page that comes next what came of it.
func (w *web) member(handle func(r *http.Request, user string) (any, error)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		user := w.sessions.GetString(r.Context(), "user")
		if user == "" {
			fail(rw, r, refusal{http.StatusUnauthorized, "log in first"})
			return
		}
		v, err := handle(r, user)
		form := r.Method == "POST" && !wantsJSON(r)
		switch {
		case form && err == nil:
			w.sessions.Put(r.Context(), "notice", fmt.Sprint(v))
			done(rw, r, nil)
		case form && codeOf(err) < 500:
			w.sessions.Put(r.Context(), "notice", err.Error())
			done(rw, r, nil)
		case err != nil:
			fail(rw, r, err)
		default:
			writeJSON(rw, http.StatusOK, v)
		}
	}
}

// open are the first shipments that are to be packed.
func (w *web) open(r *http.Request, _ string) (any, error) {
	return list[shipment](r.Context(), w.store, "open/", 200)
}

func (w *web) shipment(r *http.Request, _ string) (any, error) {
	return w.packed(r.Context(), r.PathValue("id"))
}

func (w *web) packShipment(r *http.Request, user string) (any, error) {
	return w.pack(r.Context(), r.PathValue("id"), user)
}

func (w *web) product(r *http.Request, _ string) (any, error) {
	return w.items.Get(r.Context(), r.PathValue("id"))
}

func (w *web) setPrice(r *http.Request, user string) (any, error) {
	cents, err := strconv.Atoi(r.FormValue("cents"))
	if err != nil || cents < 0 {
		return nil, refusal{http.StatusBadRequest, "a price is a number of cents"}
	}
	return w.reprice(r.Context(), r.PathValue("id"), cents, user)
}

// home is the page.
func (w *web) home(rw http.ResponseWriter, r *http.Request) {
	view := struct {
		User, Notice, Colour, Release, Instance string
		Open                                    []shipment
		Items                                   []item
	}{
		User:   w.sessions.GetString(r.Context(), "user"),
		Notice: w.sessions.PopString(r.Context(), "notice"),
		Colour: os.Getenv("COLOUR"), Release: os.Getenv("SEGUE_RELEASE"), Instance: os.Getenv("SEGUE_INSTANCE"),
	}
	if view.User != "" {
		var err, itemsErr error
		view.Open, err = list[shipment](r.Context(), w.store, "open/", 12)
		view.Items, itemsErr = w.all(r.Context())
		if err := errors.Join(err, itemsErr); err != nil {
			fail(rw, r, err)
			return
		}
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := page.Execute(rw, view); err != nil {
		slog.Warn("page", "err", err) // the client has gone
	}
}

// A refusal is an error that is the client's.
type refusal struct {
	code int
	text string
}

func (r refusal) Error() string { return r.text }

// codeOf is what an error is in HTTP.
func codeOf(err error) int {
	var refused refusal
	switch {
	case errors.As(err, &refused):
		return refused.code
	case errors.Is(err, errUnknown):
		return http.StatusNotFound
	case errors.Is(err, lock.ErrHeld), errors.As(err, new(packedError)):
		return http.StatusConflict
	}
	return http.StatusServiceUnavailable // the store or the broker is away: try again
}

func fail(rw http.ResponseWriter, r *http.Request, err error) {
	code := codeOf(err)
	if code >= 500 {
		slog.Error(r.Method+" "+r.URL.Path, "err", err)
		rw.Header().Set("Retry-After", "1")
	}
	if !wantsJSON(r) {
		http.Error(rw, err.Error(), code)
		return
	}
	writeJSON(rw, code, map[string]string{"Error": err.Error()})
}

// done answers a form: a program with what came of it, a person with the page.
func done(rw http.ResponseWriter, r *http.Request, v any) {
	if wantsJSON(r) {
		writeJSON(rw, http.StatusOK, v)
		return
	}
	http.Redirect(rw, r, "/", http.StatusSeeOther)
}

func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}

func writeJSON(rw http.ResponseWriter, code int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(code)
	if err := json.NewEncoder(rw).Encode(v); err != nil {
		slog.Warn("answer", "err", err) // the client has gone
	}
}
