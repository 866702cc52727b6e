// OpenFeature's SDK for pages, with its OFREP provider: node web.mjs BASEURL CONTROLURL
// prints what it makes of each flag, then has the flags changed by a POST to
// CONTROLURL and prints what it makes of the change.
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

const show = (what, d) => console.log(JSON.stringify({ what, value: d.value, variant: d.variant, reason: d.reason, error: d.errorCode, metadata: d.flagMetadata }));

await OpenFeature.setContext({ targetingKey: 'user-1', account: { plan: 'gold' } });
await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl: process.argv[2], cacheMode: 'disabled', pollInterval: 50 }));
const client = OpenFeature.getClient();
show('ramp', client.getBooleanDetails('ramp', false));
show('gold', client.getStringDetails('plan', 'mine'));
show('number', client.getNumberDetails('limit', 1));
show('object', client.getObjectDetails('theme', {}));
show('slash', client.getBooleanDetails('team/new ui', false));
show('own', client.getBooleanDetails('own', true));
show('disabled', client.getBooleanDetails('dark', true));
show('missing', client.getBooleanDetails('missing', true));
show('wrong type', client.getNumberDetails('plan', 7));
show('broken', client.getBooleanDetails('broken', true));
await OpenFeature.setContext({ targetingKey: 'user-1', account: { plan: 'lead' } });
show('lead', client.getStringDetails('plan', 'mine'));

// The provider also tells of changes that are none, with a list that is empty.
const changed = new Promise((told) => OpenFeature.addHandler(ProviderEvents.ConfigurationChanged, (e) => e.flagsChanged?.includes('plan') && told(e)));
await fetch(process.argv[3], { method: 'POST' });
const event = await changed;
show('after a change', client.getStringDetails('plan', 'mine'));
console.log(JSON.stringify({ what: 'changed', value: event.flagsChanged }));
await OpenFeature.close();
