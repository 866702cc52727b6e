// The Node service of test/flags: it tells what a flag is for a user, by OpenFeature's
// SDK and its OFREP provider, which asks the address in $OFREP_ENDPOINT.
import http from "node:http";
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";

const client = OpenFeature.getClient();
const server = http.createServer(async (req, res) => {
  const url = new URL(req.url, "http://x");
  if (url.pathname !== "/flag") return res.end("ok");
  const user = url.searchParams.get("user");
  const d = await client.getBooleanDetails("new-checkout", false, { targetingKey: user });
  res.setHeader("Content-Type", "application/json");
  res.end(JSON.stringify({ user, on: d.value, reason: d.reason, error: d.errorCode ?? "", detail: d.errorMessage ?? "" }));
});
server.keepAliveTimeout = 60_000;
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: process.env.OFREP_ENDPOINT }));
server.listen(process.env.PORT, "127.0.0.1");
process.on("SIGTERM", () => server.close(() => process.exit(0)));
