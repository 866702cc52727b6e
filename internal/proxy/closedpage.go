package proxy

import (
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
)

// wordMaintenance names the refusal of maintenance.
const wordMaintenance = "maintenance"

// closedBody is the refusal of maintenance: problem details (RFC 9457) with the
// keys that other refusals have, or a page.
func (x *exchange) closedBody(f refusal) (kind, body string) {
	if wantsJSON(x.r) {
		return "application/problem+json", f.problem()
	}
	return "text/html; charset=utf-8", x.closedPage(f)
}

func (f refusal) problem() string {
	b, _ := json.Marshal(struct { // strings and numbers: it cannot fail
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Error  string `json:"error"`
		Text   string `json:"message"`
		Retry  int    `json:"retry_after"`
	}{"about:blank", http.StatusText(f.status), f.status, f.text, f.word, f.text, f.retry})
	return string(b) + "\n"
}

// closedPage is the user's page or ours. Where asking again is no more than
// reading, it happens by itself; what a form has sent is never sent again
// without its sender's word.
func (x *exchange) closedPage(f refusal) string {
	again := f.retry + rand.IntN(f.retry/4+2) // not all in the same second
	page := x.page(f.status)
	if m := x.target.cfg.Maintenance; m != nil && m.Page != "" {
		page = m.Page
	}
	reads := x.r.Method == http.MethodGet || x.r.Method == http.MethodHead
	if page != "" {
		if reads {
			x.w.Header().Set("Refresh", strconv.Itoa(again))
		}
		return page
	}
	what, then, refresh := "This page is not available for the moment.", "It will be shown here as soon as it is back.", ""
	if reads {
		refresh = fmt.Sprintf(`<noscript><meta http-equiv="refresh" content="%d"></noscript>`, again)
	} else {
		what, then = "What you sent has not been taken.", "Keep this page open and send it again in a while."
	}
	return strings.NewReplacer("{{refresh}}", refresh, "{{text}}", html.EscapeString(f.text), "{{what}}", what, "{{then}}", then,
		"{{again}}", strconv.Itoa(again), "{{reads}}", strconv.FormatBool(reads)).Replace(ownClosedPage)
}

// ownClosedPage asks for its own URL until the answer is another than
// maintenance, and is then loaded anew. Without scripts it is loaded anew each
// time. Behind a form it offers to send that again, after which the browser asks.
const ownClosedPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Under maintenance</title>
{{refresh}}
<style>
  :root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --ink: #1c2330; --soft: #5b6475; --line: #dfe3ea; --mark: #3b6fd4 }
  @media (prefers-color-scheme: dark) { :root { --back: #14171c; --card: #1d222a; --ink: #e8ebf0; --soft: #9aa4b5; --line: #303744; --mark: #7ba4f5 } }
  * { box-sizing: border-box }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--back); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif }
  main { width: 100%; max-width: 34rem; padding: 2.25rem; background: var(--card); border: 1px solid var(--line); border-radius: 12px }
  h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25 }
  p { margin: 0 0 .75rem }
  .why { padding-left: .9rem; border-left: 3px solid var(--mark); overflow-wrap: anywhere }
  .soft { margin: 1.25rem 0 0; color: var(--soft); font-size: .9rem }
  button { margin-top: 1rem; padding: .55rem 1.1rem; font: inherit; color: #fff; background: #2f5fbf; border: 0; border-radius: 8px; cursor: pointer }
</style>
</head>
<body>
<main>
<h1>Under maintenance</h1>
<p>{{what}}</p>
<p class="why">{{text}}</p>
<p>{{then}}</p>
<p class="soft" id="state" role="status"></p>
</main>
<script>
(function () {
  var every = {{again}}, left = every, reads = {{reads}}, state = document.getElementById("state");
  function again() {
    state.textContent = "You can try now.";
    var button = document.createElement("button");
    button.textContent = "Send again";
    button.onclick = function () { location.reload() };
    state.after(button);
  }
  function ask() {
    state.textContent = "Asking…";
    fetch(location.href, {method: "HEAD", cache: "no-store", redirect: "manual"}).then(function (r) {
      if (r.status === 503 && r.headers.get("Segue-Error") === "maintenance") wait(); else location.reload();
    }, wait);
  }
  function tick() {
    if (left <= 0) { if (reads) ask(); else again(); return }
    state.textContent = (reads ? "Asking again in " : "You can send it again in ") + left + " s.";
    left--;
    setTimeout(tick, 1000);
  }
  function wait() { left = every; tick() }
  tick();
})();
</script>
</body>
</html>
`
