package check

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func surveyed(t *testing.T, paths Paths, handler http.HandlerFunc) *server {
	t.Helper()
	ts := httptest.NewServer(handler)
	t.Cleanup(ts.Close)
	base, err := url.Parse(ts.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	return &server{target: Target{Paths: paths, Grace: 5 * time.Second}, base: base}
}

// A named path must wait for the body, or the cases with half a body prove
// nothing; an unnamed one is used if it happens to.
func TestUploads(t *testing.T) {
	t.Parallel()
	waits := func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	}
	hurries := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex() // or net/http waits for the body by itself
		fmt.Fprint(w, "done")
	}
	refuses := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNotFound)
	}
	for name, tt := range map[string]struct {
		path    string
		handler http.HandlerFunc
		method  string // "" for none
		err     string
	}{
		"named, waits":     {"/upload", waits, http.MethodPost, ""},
		"named, hurries":   {"/upload", hurries, "", "before all of its body was sent"},
		"named, refuses":   {"/upload", refuses, "", "answered 404"},
		"unnamed, waits":   {"", waits, http.MethodOptions, ""},
		"unnamed, hurries": {"", hurries, "", ""},
		"unnamed, refuses": {"", refuses, http.MethodOptions, ""}, // the refusal comes after the body
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := uploads(t.Context(), surveyed(t, Paths{Upload: tt.path}, tt.handler))
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) || tt.err == "" && err != nil {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if got := u != nil; got != (tt.method != "") || got && u.Method != tt.method {
				t.Errorf("%+v, want %q", u, tt.method)
			}
		})
	}
}

func TestHowManyAtOnce(t *testing.T) {
	t.Parallel()
	for workers := 1; workers <= mostAtOnce; workers++ {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			t.Parallel()
			free := make(chan bool, workers)
			s := surveyed(t, Paths{}, func(w http.ResponseWriter, r *http.Request) {
				free <- true
				time.Sleep(leastSlow + leastSlow/5) // work
				<-free
			})
			v := &Survey{HTTP1: true}
			_, n, err := v.slowly(t.Context(), s, "/")
			if err != nil || n != workers {
				t.Errorf("%d at once (%v), want %d", n, err, workers)
			}
		})
	}
}

func TestSteadyClientsAreNoMoreThanTheServerCanServe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ rate, clients, want int }{
		{10000, mostClients, mostClients}, {10000, 3, 3}, {200, mostClients, 10}, {1, mostClients, 1},
	} {
		if got := steadyClients(&Survey{Rate: tt.rate, Clients: tt.clients}); got != tt.want {
			t.Errorf("rate %d, %d clients: %d, want %d", tt.rate, tt.clients, got, tt.want)
		}
	}
}
