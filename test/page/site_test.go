package page_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/seguehq/segue/page"
	"github.com/seguehq/segue/test/harness"
)

// A site answers pages as the proxy does, and says what a test has it say.
type site struct {
	*httptest.Server
	mu      sync.Mutex
	release string            // of the pages that are loaded from now on
	said    map[string]string // event → data: what a new stream is told at once
	streams map[chan string]bool
	opened  int // streams, ever
	loaded  map[string]int
	asked   []*http.Request   // /api…
	pages   map[string]string // path → body, in place of page
	api     http.HandlerFunc  // answers /api…
	header  http.Header       // of pages
}

func newSite(t *testing.T) *site {
	s := &site{release: "1", said: map[string]string{}, streams: map[chan string]bool{}, loaded: map[string]int{}, pages: map[string]string{}, header: http.Header{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.segue/segue.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Write(page.JS())
	})
	mux.HandleFunc("/segue-mjs", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		http.ServeFile(w, r, filepath.Join(harness.Root(), "page", "segue.mjs"))
	})
	mux.HandleFunc("/.segue/events", s.stream)
	mux.HandleFunc("/api", s.answer)
	mux.HandleFunc("/", s.page)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// say tells all pages, and those that come, of an event.
func (s *site) say(event, data string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said[event] = data
	for c := range s.streams {
		c <- text(event, data)
	}
}

// now announces a release, which pages are loaded from now on.
func (s *site) now(release, breaking string) {
	s.mu.Lock()
	s.release = release
	s.mu.Unlock()
	s.say("release", fmt.Sprintf(`{"release":%q,"breaking":%q}`, release, breaking))
}

func text(event, data string) string { return fmt.Sprintf("event: %s\ndata: %s\n\n", event, data) }

func (s *site) stream(w http.ResponseWriter, r *http.Request) {
	mine := make(chan string, 100)
	s.mu.Lock()
	var b strings.Builder
	b.WriteString("retry: 100\n\n")
	for _, name := range []string{"release", "flags", "maintenance"} {
		if data, ok := s.said[name]; ok {
			b.WriteString(text(name, data))
		}
	}
	s.streams[mine] = true
	s.opened++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.streams, mine)
		s.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprint(w, b.String())
	for {
		w.(http.Flusher).Flush()
		select {
		case line, ok := <-mine:
			if !ok {
				return
			}
			fmt.Fprint(w, line)
		case <-r.Context().Done():
			return
		}
	}
}

// cut ends all streams, as a proxy does that is replaced.
func (s *site) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.streams {
		close(c)
		delete(s.streams, c)
	}
}

func (s *site) count(of func() int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return of()
}

func (s *site) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r)
	api := s.api
	s.mu.Unlock()
	if api != nil {
		api(w, r)
		return
	}
	fmt.Fprintf(w, "release %s", r.Header.Get("Segue-Release"))
}

func (s *site) page(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(r.URL.Path, ".") { // favicon.ico
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.loaded[r.URL.Path]++
	for k, v := range s.header {
		w.Header()[k] = v
	}
	http.SetCookie(w, &http.Cookie{Name: "segue-release", Value: s.release, Path: "/"})
	w.Header().Set("Server-Timing", `segue-release;desc="`+s.release+`"`)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	body, ok := s.pages[r.URL.Path]
	if !ok {
		body = form
	}
	fmt.Fprintf(w, "<!doctype html>\n<html lang=en><meta charset=utf-8><title>Site</title>\n<body data-release=%q>%s", s.release, body)
}

// tag loads segue.js with attributes.
func tag(attributes string) string {
	return `<script src="/.segue/segue.js" defer data-spread="0" ` + attributes + `></script>`
}

// form is a page with all that people fill in.
var form = tag("") + `
<h1>Order</h1>
<form id=order>
  <p><label>Name <input name=name></label> <label>Street <input name=street value="High Street 1"></label>
  <p><textarea name=note rows=3></textarea>
  <p><select name=size><option>small<option>middle<option>large</select>
     <select name=extras multiple><option>milk<option>sugar<option>lemon</select>
  <p><label><input type=checkbox name=news value=yes> News</label> <label><input type=checkbox name=terms value=yes checked> Terms</label>
     <label><input type=radio name=pay value=bill checked> Bill</label> <label><input type=radio name=pay value=card> Card</label>
  <p><input type=date name=day> <input type=number name=count value=1>
  <p><input type=password name=word> <input id=shown type=password name=plain> <input type=file name=file> <input type=hidden name=csrf value=token-1>
     <input name=cc autocomplete="section-a cc-number"> <input name=code autocomplete=one-time-code> <input name=fresh autocomplete=new-password>
     <input name=quiet data-segue-skip>
</form>
<div data-segue-skip><input name=within></div>
<div id=letter contenteditable></div>
<input name=loose>
`
