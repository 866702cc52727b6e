package session_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"testing"

	"github.com/seguehq/segue/internal/doctest"
	"github.com/seguehq/segue/session"
	"github.com/seguehq/segue/store/memory"
)

func Example() {
	sessions := session.New(memory.New()) // or open.Default(ctx): what $SEGUE_STORE says
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		sessions.RenewToken(r.Context()) // whoever knew the old token does not get in
		sessions.Put(r.Context(), "user", r.FormValue("user"))
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s", sessions.GetString(r.Context(), "user"))
	})
	server := httptest.NewTLSServer(sessions.LoadAndSave(mux))
	defer server.Close()
	fmt.Println(visit(server))
	// Output: hello ada
}

func visit(server *httptest.Server) string {
	client := server.Client()
	client.Jar, _ = cookiejar.New(nil)
	if r, err := client.PostForm(server.URL+"/login", map[string][]string{"user": {"ada"}}); err != nil || r.Body.Close() != nil {
		return fmt.Sprint(err)
	}
	r, err := client.Get(server.URL)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

func ExampleValue() {
	sessions := session.New(memory.New())
	cart := session.Value[[]string]{Sessions: sessions, Name: "cart"}
	handler := func(w http.ResponseWriter, r *http.Request) {
		// Two of these at the same time both add what they add.
		err := cart.Update(r.Context(), func(now []string) ([]string, error) {
			return append(now, r.FormValue("item")), nil
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		items, _ := cart.Get(r.Context())
		fmt.Println(items)
	}
	sessions.LoadAndSave(http.HandlerFunc(handler)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/?item=tea", nil))
	// Output: [tea]
}

func TestPageBeginsWithTheExample(t *testing.T) {
	doctest.FirstExample(t, "../docs/session.md", "example_test.go")
}
