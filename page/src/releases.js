// Which release is this page of, and which is older.

const name = "segue-release";

// loadedFrom is the release that the page was loaded from, or "" if nothing says so.
// Server-Timing comes with the document itself, also out of a cache or when the
// tab is opened again, and is told in secure contexts only. The cookie is shared by all
// tabs: it is right unless another tab has been loaded in between.
export function loadedFrom(given) {
  if (given) return String(given);
  const loading = performance.getEntriesByType("navigation")[0];
  const timing = loading?.serverTiming?.find((t) => t.name === name);
  if (timing?.description) return timing.description;
  return document.cookie.match(/(?:^|;\s*)segue-release=([^;]*)/)?.[1] ?? "";
}

// older says whether release a was made before b. Releases are numbered 1, 2, 3 …
export function older(a, b) {
  return Number(a) < Number(b);
}

// news compares this page's release with what is announced: undefined if there is
// nothing to tell, else with the breaking release that lies between them, "" if the
// page can stay as it is.
//
// A page of a release that is still being rolled out is ahead of what is announced.
// That is no news, unless the page's own has been announced before: then it has been
// rolled back. What a rollback crosses may be breaking as well, in the other direction.
export function news(mine, now) {
  const back = older(now.release, mine.release);
  if (now.release === mine.release || (back && !mine.announced)) return undefined;
  const border = back ? mine.breaking : now.breaking;
  const [from, to] = back ? [now, mine] : [mine, now];
  return { breaking: border && older(from.release, border) && !older(to.release, border) ? border : "" };
}

// announcement reads an event's data; undefined if it is none.
export function announcement(data) {
  const { release, breaking } = data ?? {};
  if (!/^\d+$/.test(release ?? "")) return undefined;
  return { release: String(release), breaking: /^\d+$/.test(breaking ?? "") ? String(breaking) : "" };
}
