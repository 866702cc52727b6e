// The line that a page shows at its foot: that it waits, or that there is a new
// version. It lives in a shadow tree with a sheet of its own, made without markup and
// without inline styles, so that the strictest Content-Security-Policy and Trusted
// Types have nothing against it.

const css = `:host{all:initial;position:fixed;inset:auto 0 0;z-index:2147483647;display:grid;justify-items:center;pointer-events:none}
p{pointer-events:auto;display:flex;align-items:center;gap:.75rem;max-width:calc(100vw - 4rem);margin:0 1rem 1rem;padding:.6rem .9rem;font:15px/1.4 system-ui,sans-serif;color:var(--segue-ink,#fff);background:var(--segue-back,#1c2330);border:1px solid #5b6475;border-radius:10px;box-shadow:0 4px 16px #0004}
[hidden]{display:none}
button{font:inherit;color:inherit;background:none;border:1px solid;border-radius:6px;padding:.15rem .7rem;cursor:pointer}
.x{border-color:#0000;padding:.15rem .45rem}
:focus-visible{outline:2px solid;outline-offset:2px}
.said{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media print{:host{display:none}}`;

// lines makes the place on the page when something is to be shown first.
export function lines(texts, reload) {
  let host, waits, count, offers, said;

  function place() {
    if (!host) build();
    // Frameworks replace what is in the body.
    if (!host.isConnected) document.body?.append(host);
  }

  function build() {
    host = document.createElement("segue-line");
    const root = host.attachShadow({ mode: "open" });
    try {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
      root.adoptedStyleSheets = [sheet];
    } catch {
      // An old browser shows it plain.
    }
    // What is read out is said once; the seconds that go by are not.
    said = element("span", "said");
    said.setAttribute("role", "status");
    said.setAttribute("aria-live", "polite");
    waits = element("p");
    count = element("span");
    waits.setAttribute("aria-hidden", "true");
    waits.append(count);
    offers = element("p");
    offers.append(element("span", "", texts.release), button("", texts.reload, reload), button("x", "×", () => (offers.hidden = true)));
    offers.lastChild.setAttribute("aria-label", texts.dismiss);
    waits.hidden = offers.hidden = true;
    root.append(said, waits, offers);
  }

  // say has it read out. What stands in a place that has just been made is not.
  function say(text) {
    setTimeout(() => (said.textContent = text), 100);
  }

  return {
    // wait says that the page waits so many seconds; undefined takes it away.
    wait(seconds) {
      if (seconds === undefined && !host) return;
      place();
      const text = seconds === undefined ? "" : fill(seconds > 0 ? texts.wait : texts.asking, seconds);
      count.textContent = text;
      if (waits.hidden === Boolean(text)) say(text);
      waits.hidden = !text;
    },
    // offer says that there is a new version; false takes it away.
    offer(there) {
      if (!there && !host) return;
      place();
      if (offers.hidden === there) say(there ? texts.release : "");
      offers.hidden = !there;
    },
    close: () => host?.remove(),
  };
}

function fill(text, seconds) {
  return text.replace("{seconds}", seconds);
}

function element(name, kind, text) {
  const e = document.createElement(name);
  if (kind) e.className = kind;
  if (text) e.textContent = text;
  return e;
}

function button(kind, text, then) {
  const b = element("button", kind, text);
  b.type = "button";
  b.addEventListener("click", then);
  return b;
}
