// OpenFeature's SDK for servers, with its OFREP provider: node server.mjs BASEURL
// prints what it makes of each flag, a line of JSON each.
import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';

const show = (what, d) => console.log(JSON.stringify({ what, value: d.value, variant: d.variant, reason: d.reason, error: d.errorCode, metadata: d.flagMetadata }));

await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: process.argv[2] }));
const client = OpenFeature.getClient();
for (const targetingKey of ['user-1', 'user-2', 'user-3', 'user-4', 'user-5', 'user-6', 'user-7', 'user-8']) {
  show('ramp ' + targetingKey, await client.getBooleanDetails('ramp', false, { targetingKey }));
}
show('gold', await client.getStringDetails('plan', 'mine', { targetingKey: 'u', account: { plan: 'gold', since: new Date('2026-01-02T03:04:05Z') } }));
show('lead', await client.getStringDetails('plan', 'mine', { targetingKey: 'u', account: { plan: 'lead' } }));
show('nobody', await client.getStringDetails('plan', 'mine'));
show('number', await client.getNumberDetails('limit', 1));
show('object', await client.getObjectDetails('theme', {}));
show('slash', await client.getBooleanDetails('team/new ui', false));
show('own', await client.getBooleanDetails('own', true));
show('disabled', await client.getBooleanDetails('dark', true));
show('missing', await client.getBooleanDetails('missing', true));
show('wrong type', await client.getNumberDetails('plan', 7));
show('broken', await client.getBooleanDetails('broken', true));
await OpenFeature.close();
