package page_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// noted has a page tell the test what it was told, over reloads too, and what was
// written down of what was typed.
const noted = `
addEventListener("segue:restored", (e) => (window.restored = e.detail));
window.heard = [];
for (const type of ["segue:release", "segue:flags", "segue:maintenance", "segue:back", "segue:stuck"])
  addEventListener(type, (e) => heard.push(type + " " + JSON.stringify(e.detail)));
const setItem = Storage.prototype.setItem;
Storage.prototype.setItem = function (key, value) {
  if (key.startsWith("segue:typed:")) setItem.call(localStorage, "witness", value);
  return setItem.call(this, key, value);
};
`

// shown is an expression for what the line on the page says: "" when there is none.
const shown = `Array.from(document.querySelector("segue-line")?.shadowRoot.querySelectorAll("p:not([hidden]) > span") ?? [], (s) => s.textContent).join("|")`

// fill fills everything in, as somebody would, and what must not be kept as well.
func fill(x *tab) {
	for selector, value := range map[string]string{
		"[name=name]": "Ada", "[name=note]": "two lines,\nof text", "[name=day]": "2026-12-01", "[name=loose]": "loose",
		"[name=word]": "hunter2", "#shown": "hunter3", "[name=cc]": "4111111111111111", "[name=code]": "123456", "[name=fresh]": "hunter4",
		"[name=quiet]": "quiet-1", "[name=within]": "quiet-2",
	} {
		x.do("fill", selector, value)
	}
	x.do("selectOption", "[name=size]", "large")
	x.do("selectOption", "[name=extras]", []string{"milk", "lemon"})
	x.do("check", "[name=news]")
	x.do("uncheck", "[name=terms]")
	x.do("check", "[value=card]")
	secret := filepath.Join(x.t.TempDir(), "secret.txt")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		x.t.Fatal(err)
	}
	x.do("setInputFiles", "[name=file]", secret)
	x.get(`letter.innerHTML = "Dear <b onclick='x'>you</b>,<br>thanks"; letter.dispatchEvent(new InputEvent("input", {bubbles: true})); shown.type = "text"; 1`)
	x.do("focus", "[name=street]")
	x.do("fill", "[name=street]", "Low Street 2")
	x.get(`document.querySelector("[name=street]").setSelectionRange(4, 6); 1`)
}

// filled looks whether it is there again, and the rest is not.
func filled(x *tab) {
	x.t.Helper()
	for name, want := range map[string]string{
		"name": "Ada", "street": "Low Street 2", "note": "two lines,\nof text", "size": "large", "day": "2026-12-01", "count": "1", "loose": "loose",
		"word": "", "plain": "", "cc": "", "code": "", "fresh": "", "quiet": "", "within": "", "csrf": "token-1", "file": "",
	} {
		x.want(`document.querySelector("[name=`+name+`]").value`, want)
	}
	x.want(`Array.from(document.querySelector("[name=extras]").selectedOptions, (o) => o.value).join()`, "milk,lemon")
	x.want(`Array.from(document.querySelectorAll("input:checked"), (i) => i.name + i.value).join()`, "newsyes,paycard")
	x.want(`letter.innerHTML`, "Dear <b>you</b>,<br>thanks")
	x.want(`document.activeElement.name + document.activeElement.selectionStart + document.activeElement.selectionEnd`, "street46")
}

// breaking: a form half filled, a breaking release: the tab reloads, once, and the text is there.
func breaking(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	x := b.open(t, b.somebody(t), s.URL, noted)
	x.is(`segue.current === "1"`)
	fill(x)
	s.now("2", "2")
	x.is(`document.body.dataset.release === "2" && window.restored`)
	filled(x)
	x.want(`restored.missing.length`, "0")
	x.want(`restored.fields.find((f) => f.element.name === "street").served`, "High Street 1")
	x.want(`Object.keys(sessionStorage).filter((k) => k.startsWith("segue:typed")).length`, "0")
	witness := x.get(`localStorage.witness`)
	for _, secret := range []string{"hunter", "4111", "123456", "quiet", "token", "secret"} {
		if strings.Contains(witness, secret) {
			t.Errorf("%q was written down: %s", secret, witness)
		}
	}
	if !strings.Contains(witness, "Ada") {
		t.Errorf("the witness has seen nothing: %s", witness)
	}
	x.is(`segue.current === "2"`)
	if n := s.count(func() int { return s.loaded["/"] }); n != 2 {
		t.Errorf("loaded %d times, want 2", n)
	}
	// What was put back is kept the next time, too.
	s.now("3", "3")
	x.is(`document.body.dataset.release === "3" && window.restored`)
	filled(x)
	x.calm()
}

// late: a field that a framework puts up late is filled, and what it thinks is in
// it is what is there. Another's, which it had emptied while starting up, is filled again.
func late(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	s.pages["/"] = tag("") + `<div id=app><input id=early></div><script>
	window.state = {};
	addEventListener("load", () => {
	  early.value = ""; // as one that starts from its own state
	  setTimeout(() => {
	    const own = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
	    const field = Object.assign(document.createElement("input"), { id: "later" });
	    Object.defineProperty(field, "value", { get() { return own.get.call(this) }, set(v) { window.swallowed = v; own.set.call(this, v) } });
	    field.addEventListener("input", () => (state.later = field.value));
	    app.append(field);
	  });
	});</script>`
	x := b.open(t, b.somebody(t), s.URL, noted)
	x.do("fill", "#later", "typed late")
	x.do("fill", "#early", "typed early")
	s.now("2", "2")
	x.is(`document.body.dataset.release === "2" && window.restored`)
	x.want(`state.later + "/" + later.value + "/" + early.value + "/" + window.swallowed`, "typed late/typed late/typed early/undefined")
	x.calm()
}

// kept: a request that may change something is not cut by a reload.
func kept(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	there, goOn := make(chan bool), make(chan bool)
	s.api = func(w http.ResponseWriter, r *http.Request) {
		there <- true
		select {
		case <-goOn:
		case <-r.Context().Done():
			t.Error("the request was cut")
		}
	}
	x := b.open(t, b.somebody(t), s.URL, noted)
	x.get(`addEventListener("segue:reload", () => localStorage.coming = 1);
	fetch("/api", {method: "POST", body: "order"}).then(() => localStorage.fetched = 1); 1`)
	<-there
	s.now("2", "2")
	x.is(`localStorage.coming`)
	close(goOn)
	x.is(`document.body.dataset.release === "2"`)
	x.want(`localStorage.fetched`, "1")
}

// held: the page puts the reload off until it says so.
func held(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	x := b.open(t, b.somebody(t), s.URL, noted)
	x.get(`addEventListener("segue:reload", (e) => { e.preventDefault(); window.coming = e.detail }); 1`)
	s.now("2", "2")
	x.is(`window.coming`)
	x.want(`[coming.from, coming.to, coming.breaking, document.body.dataset.release].join()`, "1,2,2,1")
	x.get(`coming.resume(); 1`)
	x.is(`document.body.dataset.release === "2"`)
}

// crossing: a page of a release that was rolled back cannot work with the older one either, when what
// lies between them is breaking.
func crossing(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("8", "7")
	x := b.open(t, b.somebody(t), s.URL, noted)
	x.is(`segue.current === "8"`)
	s.now("7", "7")
	x.is(`heard.some((h) => h === 'segue:release {"from":"8","to":"7","breaking":""}')`)
	s.now("6", "3")
	x.is(`document.body.dataset.release === "6"`)
}

// circle: where the old page comes again (a cache in between), there is one reload
// for each breaking release and then a line.
func circle(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	x := b.open(t, b.somebody(t), s.URL, noted)
	for n, release := range []string{"2", "3"} {
		s.say("release", `{"release":"`+release+`","breaking":"`+release+`"}`) // and the page is still that of 1
		until(t, "the page is loaded anew", func() bool { return s.count(func() int { return s.loaded["/"] }) >= n+2 })
		x.is(`heard.some((h) => h.includes('"to":"` + release + `"')) && sessionStorage["segue:reloaded"] === "` + release + `" && ` + shown + ` !== ""`)
	}
	if n := s.count(func() int { return s.loaded["/"] }); n != 3 {
		t.Errorf("loaded %d times for two breaking releases", n)
	}
}

// full: where what was typed cannot be kept nothing is reloaded.
func full(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	x := b.open(t, b.somebody(t), s.URL, noted, `Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError") }`)
	x.do("fill", "[name=name]", "Ada")
	s.now("2", "2")
	x.is(shown + ` === "A new version is available."`)
	x.want(`document.body.dataset.release + document.querySelector("[name=name]").value`, "1Ada")
	x.calm()

	y := b.open(t, t.Name(), s.URL+"/forbidden", `Object.defineProperty(window, "sessionStorage", { get() { throw new DOMException("no", "SecurityError") } })`)
	y.is(`segue.current === "2"`)
	s.now("3", "3")
	y.is(shown + ` === "A new version is available."`)
	y.want(`document.body.dataset.release`, "2")
	y.calm()
}
