// Server-sent events, by one connection for all tabs of the browser: HTTP/1.1 has six
// for them all. The tab that has the Web Lock has the connection, and passes on
// what comes by BroadcastChannel. When it goes, the lock passes to the next tab.
//
// Where there are no locks (they are for secure contexts) each tab has a
// connection of its own, while it is seen.

const names = ["release", "flags", "maintenance"];
const most = 60_000; // ms between tries
const stale = 300_000; // ms after which a connection is not trusted by who comes back to the tab

// listen calls on(name, data) for each event, also with what other tabs have known
// before this one was there. Data is what JSON.parse gave; what is no JSON is dropped.
export function listen(url, on) {
  const shared = Boolean(navigator.locks && window.BroadcastChannel);
  const label = "segue " + url;
  const last = new Map();
  let run; // what is under way while the page lives; undefined while it is put away

  function take(name, text, lead) {
    if (lead) {
      last.set(name, text);
      run?.channel?.postMessage({ name, text });
    }
    let data;
    try {
      data = JSON.parse(text);
    } catch {
      return;
    }
    on(name, data);
  }

  function open(r) {
    if (r !== run || r.source) return;
    clearTimeout(r.timer);
    r.timer = undefined;
    r.lead = true;
    r.opened = Date.now();
    const source = (r.source = new EventSource(url));
    source.onopen = () => {
      r.failures = 0;
      // Maintenance is told of while it lasts: who says nothing of it has none.
      if (last.delete("maintenance"))
        setTimeout(() => r.source === source && !last.has("maintenance") && take("maintenance", "{}", true), 2000);
    };
    source.onerror = () => {
      // The browser itself comes back after what the server has said (retry:). It gives
      // up after an answer that is no stream, and never slows down.
      if (source.readyState === EventSource.CLOSED || ++r.failures > 1) again(r);
    };
    for (const name of names)
      source.addEventListener(name, (e) => {
        r.opened = Date.now();
        if (r.source === source) take(name, e.data, true);
      });
  }

  function again(r) {
    shut(r);
    r.failures++;
    const wait = Math.min(most, 500 * 2 ** r.failures);
    r.timer = setTimeout(() => open(r), wait * (0.5 + Math.random() / 2));
  }

  function shut(r) {
    clearTimeout(r.timer);
    r.timer = undefined;
    r.source?.close();
    r.source = undefined;
  }

  function start() {
    if (run) return;
    const r = (run = { failures: 0, calledOff: new AbortController() });
    if (!shared) {
      if (!document.hidden) open(r);
      return;
    }
    r.channel = new BroadcastChannel(label);
    r.channel.onmessage = (e) => hear(r, e.data);
    r.channel.postMessage({ ask: true });
    navigator.locks
      .request(label, { signal: r.calledOff.signal }, () => {
        if (r !== run) return undefined;
        return new Promise((done) => {
          r.done = done;
          open(r);
        });
      })
      .catch((e) => {
        if (e.name !== "AbortError") open(r); // the browser has locks, and not for this page
      });
  }

  // stop lets go of all that would keep the page out of the back/forward cache.
  function stop() {
    const r = run;
    run = undefined;
    if (!r) return;
    shut(r);
    r.channel?.close();
    r.calledOff.abort();
    r.done?.();
  }

  function hear(r, m) {
    if (r !== run || !m) return;
    if (m.ask && r.lead) for (const [name, text] of last) r.channel.postMessage({ name, text });
    else if (m.wake && r.lead) wake(m.sure);
    else if (m.name) take(m.name, m.text, false);
  }

  // wake is for when the network may be another, or the machine has slept. Who has the
  // connection opens it anew if it is sure to be bad or has been quiet for long.
  function wake(sure) {
    const r = run;
    if (!r) return;
    if (shared && !r.lead) r.channel.postMessage({ wake: true, sure });
    else if (r.timer || !r.source) open(r);
    else if (sure || Date.now() - r.opened > stale) {
      shut(r);
      open(r);
    }
  }

  const put = [
    [window, "pagehide", stop],
    [window, "pageshow", start],
    [document, "freeze", stop],
    [document, "resume", start],
    [window, "online", () => wake(true)],
    [
      document,
      "visibilitychange",
      () => {
        if (!document.hidden) wake(false);
        else if (!shared && run) shut(run);
      },
    ],
  ];
  for (const [target, type, f] of put) target.addEventListener(type, f);
  start();
  return () => {
    for (const [target, type, f] of put) target.removeEventListener(type, f);
    stop();
  };
}
