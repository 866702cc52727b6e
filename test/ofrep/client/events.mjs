// OpenFeature's SDK for pages, which hears of a change by OFREP's event stream and does
// not poll: node events.mjs BASEURL CONTROLURL. Node has no EventSource; this one
// does as much of it as the provider asks for.
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

globalThis.EventSource = class {
  constructor(url) {
    this.url = url;
    this.gone = new AbortController();
    this.listeners = { message: [], open: [], error: [] };
    this.read().catch((e) => this.gone.signal.aborted || this.tell('error', e));
  }
  addEventListener(name, f) { this.listeners[name]?.push(f); }
  tell(name, event) { this['on' + name]?.(event); this.listeners[name].forEach((f) => f(event)); }
  close() { this.gone.abort(); }
  async read() {
    const answer = await fetch(this.url, { signal: this.gone.signal });
    this.tell('open', {});
    let text = '';
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (text += part).split('\n\n');
      text = blocks.pop();
      for (const b of blocks) {
        const data = b.match(/^data: (.*)$/m)?.[1];
        const name = b.match(/^event: (.*)$/m)?.[1] ?? 'message';
        if (data && name === 'message') this.tell('message', { data });
      }
    }
  }
};

await OpenFeature.setContext({ targetingKey: 'user-1' });
await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl: process.argv[2], cacheMode: 'disabled' }));
const client = OpenFeature.getClient();
const show = (what, d) => console.log(JSON.stringify({ what, value: d.value, variant: d.variant, reason: d.reason }));
show('before', client.getStringDetails('plan', 'mine'));
const changed = new Promise((told) => OpenFeature.addHandler(ProviderEvents.ConfigurationChanged, (e) => e.flagsChanged?.includes('plan') && told()));
await fetch(process.argv[3], { method: 'POST' });
await changed;
show('after', client.getStringDetails('plan', 'mine'));
await OpenFeature.close();
