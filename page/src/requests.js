// What the page's own requests get: the release that the page is of, so that they are
// answered by it while it is kept; and patience with a service that says when it is
// back (503 with Retry-After, RFC 9110 §10.2.3 and §15.6.4).

const header = "Segue-Release";
const tries = 20;
const slowest = 30_000; // ms between tries, unless the service says more

// wrap puts itself in front of fetch and XMLHttpRequest. release() is that of the
// page, or "". waiter is of wait.js, undefined to wait for nothing.
export function wrap(release, waiter) {
  const { fetch } = window;
  const { open, send } = XMLHttpRequest.prototype;
  const asked = new WeakMap(); // XMLHttpRequest → method, own
  let busy = 0; // requests under way that may change something

  function mark(request) {
    if (release() && !request.headers.has(header)) request.headers.set(header, release());
  }

  window.fetch = function (input, init) {
    const change = !safe(String(init?.method ?? input?.method ?? "GET").toUpperCase());
    const answer = own(input?.url ?? input) && init?.segue !== "off" ? ask(input, init) : fetch.call(window, input, init);
    if (!change) return answer;
    busy++;
    return answer.finally(() => busy--);
  };

  async function ask(input, init) {
    const request = new Request(input, init);
    const plain = safe(request.method) && release() ? request.clone() : undefined;
    mark(request);
    const patient = waiter && (safe(request.method) || init?.segue === "wait" || request.headers.has("Idempotency-Key"));
    try {
      return await (patient ? wait(request) : fetch.call(window, request));
    } catch (e) {
      // Redirected to another origin, a request with a header of ours is refused that
      // would go through without.
      if (!plain || !(e instanceof TypeError) || !navigator.onLine) throw e;
      return fetch.call(window, plain);
    }
  }

  async function wait(request) {
    const end = Date.now() + waiter.most;
    for (let n = 0; ; n++) {
      const response = await fetch.call(window, request.clone());
      const after = response.status === 503 ? retryAfter(response) : undefined;
      if (after === undefined || n === tries) return response;
      const pause = Math.max(after, Math.min(slowest, 500 * 2 ** n)) * (1 + Math.random() / 4); // not all at once
      if (Date.now() + pause > end) return response;
      response.body?.cancel();
      await waiter.wait(pause, request.signal);
    }
  }

  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    open.call(this, method, url, ...rest);
    asked.set(this, { method: String(method).toUpperCase(), own: own(url) });
  };
  XMLHttpRequest.prototype.send = function (body) {
    const q = asked.get(this);
    if (q?.own && release()) this.setRequestHeader(header, release());
    if (q && !safe(q.method)) {
      busy++;
      this.addEventListener("loadend", () => busy--, { once: true });
    }
    return send.call(this, body);
  };

  const ours = { fetch: window.fetch, open: XMLHttpRequest.prototype.open, send: XMLHttpRequest.prototype.send };
  return {
    // busy says whether a request that may change something is under way.
    busy: () => busy > 0,
    // close takes them away, unless somebody else has come in front.
    close() {
      if (window.fetch === ours.fetch) window.fetch = fetch;
      if (XMLHttpRequest.prototype.open === ours.open) XMLHttpRequest.prototype.open = open;
      if (XMLHttpRequest.prototype.send === ours.send) XMLHttpRequest.prototype.send = send;
    },
  };
}

function own(url) {
  try {
    return new URL(url, document.baseURI).origin === location.origin;
  } catch {
    return false; // it says itself what is wrong
  }
}

function safe(method) {
  return method === "GET" || method === "HEAD";
}

// retryAfter is how many ms the service asks for: seconds, or a date by its own clock.
export function retryAfter(response) {
  const value = response.headers.get("Retry-After");
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return value * 1000;
  const sent = Date.parse(response.headers.get("Date")) || Date.now();
  const wait = Date.parse(value) - sent;
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}
