// The page as a whole: what is heard, and what comes of it.

import { keeper } from "./forms.js";
import { lines } from "./line.js";
import { announcement, loadedFrom, news } from "./releases.js";
import { reloader } from "./reload.js";
import { wrap } from "./requests.js";
import { listen } from "./stream.js";
import { waiting } from "./wait.js";

const texts = {
  release: "A new version is available.",
  reload: "Reload",
  dismiss: "Dismiss",
  wait: "One moment – we are back in {seconds} s",
  asking: "One moment …",
};

const defaults = { events: "/.segue/events", requests: true, wait: 120, reload: true, restore: true, notice: false, spread: 5 };

function tell(type, detail, cancelable = false) {
  return dispatchEvent(new CustomEvent(type, { detail, cancelable }));
}

// connect begins to keep the page up, and gives the handle by which it is asked. A page
// is connected once: the second call gives the first one's handle.
let handle;
export function connect(given) {
  return (handle ??= begin({ ...defaults, ...given, texts: { ...texts, ...given?.texts } }));
}

function begin(options) {
  const mine = { release: loadedFrom(options.release), breaking: "", announced: false };
  let now; // the announcement that holds
  let told = ""; // what the page was told last
  let closed = ""; // maintenance: "all", "writes" or ""

  const line = lines(options.texts, () => reload.now(now));
  const keep = keeper(tell);
  let waits = false; // the page shows that it waits, or we do
  const waiter =
    options.wait > 0 &&
    waiting(options.wait * 1000, (seconds) => {
      if (seconds === undefined) {
        if (waits) line.wait(undefined);
        waits = false;
        tell("segue:back", {});
      } else if (tell("segue:wait", { seconds }, true)) {
        waits = true;
        line.wait(seconds);
      }
    });
  const requests = options.requests ? wrap(() => mine.release, waiter || undefined) : { busy: () => false, close() {} };
  const reload = reloader({ keep, busy: requests.busy, may: () => closed !== "all" && navigator.onLine, spread: options.spread * 1000, tell });

  function heard(name, data) {
    if (name === "release") hearRelease(announcement(data));
    else if (name === "flags") tell("segue:flags", { etag: String(data?.etag ?? "") });
    else if (name === "maintenance") {
      closed = String(data?.closed ?? "");
      if (closed !== "all") waiter && waiter.wake();
      tell("segue:maintenance", { closed, why: String(data?.why ?? "") });
    }
  }

  function hearRelease(heard) {
    if (!heard) return;
    now = heard;
    mine.release ||= now.release;
    if (mine.release === now.release) {
      mine.announced = true;
      mine.breaking = now.breaking;
    }
    const n = news(mine, now);
    const key = n && `${now.release} ${n.breaking}`;
    if (key === told) return;
    told = key;
    if (!n) {
      reload.stop();
      line.offer(false);
      return;
    }
    const detail = { from: mine.release, to: now.release, breaking: n.breaking };
    const own = tell("segue:release", detail, true);
    if (n.breaking && options.reload && reload.ask(detail)) return;
    if (own && (options.notice || n.breaking)) line.offer(true);
  }

  const stuck = () => line.offer(true);
  addEventListener("segue:stuck", stuck);
  const whenParsed = (then) => (document.readyState === "loading" ? addEventListener("DOMContentLoaded", then, { once: true }) : then());
  if (options.restore === true) whenParsed(() => keep.restore());
  const silence = listen(options.events, heard);

  return {
    // release that the page is of, "" while nobody has said it; current is the newest.
    get release() {
      return mine.release;
    },
    get current() {
      return now?.release ?? "";
    },
    reload: () => reload.now(now),
    restore: () => keep.restore(),
    close() {
      silence();
      removeEventListener("segue:stuck", stuck);
      requests.close();
      reload.close();
      keep.close();
      line.close();
      handle = undefined;
    },
  };
}
