// Loading the page anew when it cannot stay as it is: when nothing is lost by it, and
// never in a circle.

const mark = "segue:reloaded";
const pause = 1500; // ms without a key pressed that is no longer in the middle of a word
const longest = 30_000; // ms after which typing and requests are no reason to wait any longer

// reloader reloads once for each breaking release, and only if it can remember that it
// has. may() is false while the page would get no answer.
export function reloader({ keep, busy, may, spread, tell }) {
  let plan; // of the reload that is coming; undefined if there is none
  let leaving = false; // a form is on its way, which a reload would stop
  const over = new AbortController();
  const { signal } = over;
  let composing = false; // a character that takes several keys
  addEventListener("compositionstart", () => (composing = true), { capture: true, signal });
  addEventListener("compositionend", () => (composing = false), { capture: true, signal });
  addEventListener("submit", (e) => {
    if (e.defaultPrevented) return;
    leaving = true;
    setTimeout(() => (leaving = false), longest); // it was a download
  }, { signal });

  // ask reports whether a reload is coming or allowed. It is not for a release for which there was
  // one: then what is between page and service still has the old page.
  function ask(news) {
    if (plan) {
      plan.news = news;
      return true;
    }
    try {
      if (sessionStorage.getItem(mark) === news.breaking) return false;
      sessionStorage.setItem("segue:probe", "1"); // where nothing can be remembered, nothing is reloaded
      sessionStorage.removeItem("segue:probe");
    } catch {
      return false;
    }
    plan = { news, since: Date.now() };
    plan.timer = setTimeout(announce, Math.random() * spread);
    return true;
  }

  function announce() {
    const p = plan;
    if (!p) return;
    let held = true;
    const resume = () => {
      if (held && p === plan) go(p);
      held = false;
    };
    if (tell("segue:reload", { ...p.news, resume }, true)) resume();
  }

  function go(p) {
    if (p !== plan) return;
    const late = Date.now() - p.since > longest;
    const wait = composing || keep.quiet() < pause || busy() || leaving;
    if (!may() || (wait && !late)) {
      p.timer = setTimeout(() => go(p), 200);
      return;
    }
    now(p.news);
  }

  // now reloads. What was typed is kept first; where it cannot be, nothing is done, and
  // it says so.
  function now(news) {
    try {
      keep.save();
      if (news?.breaking) sessionStorage.setItem(mark, news.breaking);
    } catch {
      stuck(news);
      return false;
    }
    location.reload();
    setTimeout(stuck, 10_000, news); // the page has asked its user, who has said no
    return true;
  }

  function stuck(news) {
    stop();
    if (news?.breaking) tell("segue:stuck", news);
  }

  function stop() {
    clearTimeout(plan?.timer);
    plan = undefined;
  }

  return {
    ask,
    now,
    stop,
    close() {
      stop();
      over.abort();
    },
  };
}
