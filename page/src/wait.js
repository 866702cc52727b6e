// The requests that wait for a service to be back, and the line that says so.

// waiting keeps count of them. most is how many ms one of them may wait in all; show is
// called with the seconds until the next try each second, and with undefined when
// nobody waits any longer.
export function waiting(most, show) {
  const all = new Set();
  let clock;

  function tick() {
    if (all.size === 0) {
      clearInterval(clock);
      clock = undefined;
      show(undefined);
      return;
    }
    const next = Math.min(...Array.from(all, (w) => w.at));
    show(Math.max(0, Math.ceil((next - Date.now()) / 1000)));
    clock ??= setInterval(tick, 1000);
  }

  function wait(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const w = { at: Date.now() + ms, go: over(resolve) };
      const abort = over(() => reject(signal.reason));
      let timer = setTimeout(w.go, ms);
      signal.addEventListener("abort", abort);
      w.soon = () => {
        clearTimeout(timer);
        w.at = Date.now();
        timer = setTimeout(w.go, Math.random() * 1000);
      };
      all.add(w);
      tick();
      function over(then) {
        return () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", abort);
          all.delete(w);
          then();
          // Whoever goes on may have to wait again: the line does not come and go.
          setTimeout(tick, 300);
        };
      }
    });
  }

  return {
    most,
    wait,
    // wake is for when the service is known to be back.
    wake: () => all.forEach((w) => w.soon()),
  };
}
