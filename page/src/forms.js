// What was typed is kept over a reload: in sessionStorage, which is the tab's own, by
// the page's address, for half an hour at most.

import { fieldOf, find, mayKeep, passwords, place, read, write } from "./fields.js";

const prefix = "segue:typed:";
const lasts = 30 * 60_000; // ms
const patience = 10_000; // ms after loading in which a page may still put up its fields

// keeper watches what is typed from the moment it is made.
export function keeper(tell) {
  const was = passwords();
  const touched = new Set();
  let typed = 0; // when somebody has typed last
  const over = new AbortController();
  const { signal } = over;

  function touch(e) {
    const field = fieldOf(e.target);
    if (!field) return;
    touched.add(field);
    if (e.isTrusted) typed = Date.now();
  }
  for (const type of ["input", "change"]) addEventListener(type, touch, { capture: true, signal });
  addEventListener("reset", (e) => touched.forEach((f) => f.form === e.target && touched.delete(f)), { signal });
  sweep();

  // save keeps what can be kept, and throws if it cannot be written down.
  function save() {
    sweep();
    const fields = [];
    for (const f of touched) {
      if (!f.isConnected) touched.delete(f);
      else if (mayKeep(f, was)) fields.push({ ...place(f), content: read(f) });
    }
    const focus = fieldOf(document.activeElement);
    const saved = { at: Date.now(), fields, scroll: [scrollX, scrollY] };
    if (focus) saved.focus = { ...place(focus), caret: caret(focus) };
    sessionStorage.setItem(prefix + here(), JSON.stringify(saved));
    return fields.length;
  }

  // restore puts back what was kept for this page, and erases it. Fields that are not
  // there yet are waited for, and one that a framework empties while it starts up is
  // filled once more; what somebody has typed since is left alone. What was typed wins over
  // what the new page has in the field; the page is told of both.
  function restore() {
    const saved = take();
    if (!saved) return false;
    const { fields } = saved;
    const served = new Map(); // field → what the page had in it
    const since = new WeakSet(); // fields that somebody has typed in since
    const end = new AbortController();
    addEventListener("input", (e) => e.isTrusted && since.add(fieldOf(e.target) ?? e.target), { capture: true, signal: end.signal });

    function fill(all) {
      for (const f of fields) {
        if (f.found && !all) continue;
        const field = find(f);
        if (!field || !mayKeep(field, was)) continue;
        f.found = true;
        if (since.has(field)) continue;
        if (!served.has(field)) served.set(field, read(field));
        write(field, f.content);
      }
      return fields.every((f) => f.found);
    }

    fill(true);
    // Not before there is a layout: what is far down could not be scrolled to.
    requestAnimationFrame(() => {
      scrollTo(...saved.scroll);
      if (saved.focus) focusOn(find(saved.focus), saved.focus.caret);
    });
    const late = new MutationObserver(() => fill(false));
    late.observe(document, { subtree: true, childList: true });
    const loaded = () => setTimeout(finish, fill(true) ? 0 : patience);
    const finish = () => {
      late.disconnect();
      end.abort();
      tell("segue:restored", {
        fields: Array.from(served, ([element, served]) => ({ element, served })),
        missing: fields.filter((f) => !f.found).map(({ id, name, content }) => ({ id, name, content })),
      });
    };
    if (document.readyState === "complete") loaded();
    else addEventListener("load", loaded, { once: true, signal });
    return true;
  }

  return {
    save,
    restore,
    // quiet is how many ms ago somebody has typed.
    quiet: () => Date.now() - typed,
    close() {
      over.abort();
      was.close();
    },
  };
}

function here() {
  return location.pathname + location.search;
}

function take() {
  try {
    const text = sessionStorage.getItem(prefix + here());
    sessionStorage.removeItem(prefix + here());
    const saved = JSON.parse(text);
    return saved && Date.now() - saved.at < lasts && Array.isArray(saved.fields) ? saved : undefined;
  } catch {
    return undefined; // forbidden, or not of ours
  }
}

// sweep erases what is too old, now and while the page is open.
function sweep() {
  try {
    for (const key of Object.keys(sessionStorage)) {
      if (!key.startsWith(prefix)) continue;
      const left = lasts - (Date.now() - (JSON.parse(sessionStorage.getItem(key)).at ?? 0));
      if (left > 0) setTimeout(sweep, left + 1000);
      else sessionStorage.removeItem(key);
    }
  } catch {
    // There is nothing to erase where nothing may be kept.
  }
}

function caret(field) {
  try {
    return [field.selectionStart, field.selectionEnd];
  } catch {
    return [null, null];
  }
}

function focusOn(field, [from, to]) {
  if (!field || document.activeElement !== document.body) return;
  field.focus({ preventScroll: true });
  if (from === null) return;
  try {
    field.setSelectionRange(from, to);
  } catch {
    // Numbers and dates have no caret to be told.
  }
}
