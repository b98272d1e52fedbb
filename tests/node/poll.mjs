// A receiver that fetches Security Event Tokens by polling (RFC 8936) and verifies them with the jose
// package and the key set that the transmitter has published. One JSON line for each token on
// standard output; each is acknowledged with the next poll.
//
// Usage: node poll.mjs '{"url":..,"ca":FILE,"token":..,"jwks":FILE,"issuer":..,"audience":..}'
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { createLocalJWKSet, jwtVerify } from "jose";

const o = JSON.parse(process.argv[2]);
const agent = new Agent({ keepAlive: true, ca: readFileSync(o.ca) });
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

function poll(body) {
  return new Promise((done, failed) => {
    const req = request(o.url, { method: "POST", agent, headers: { "Content-Type": "application/json",
      Authorization: `Bearer ${o.token}` } }, (res) => {
      let text = "";
      res.setEncoding("utf8");
      res.on("data", (part) => { text += part; });
      res.on("end", () => (res.statusCode === 200 ? done(JSON.parse(text)) : failed(new Error(`HTTP ${res.statusCode}`))));
    });
    req.on("error", failed);
    req.end(JSON.stringify(body));
  });
}

print({ port: 1 });
let ack = [];
for (;;) {
  try {
    const { sets } = await poll({ ack });
    ack = [];
    for (const [jti, set] of Object.entries(sets)) {
      const keys = createLocalJWKSet(JSON.parse(readFileSync(o.jwks, "utf8")));
      const { payload } = await jwtVerify(set, keys, { issuer: o.issuer, audience: o.audience, typ: "secevent+jwt" });
      print({ method: "poll", verified: payload.jti === jti, claims: payload });
      ack.push(jti);
    }
  } catch (e) {
    print({ error: String(e.code ?? e.message) });
    await new Promise((r) => setTimeout(r, 100));
  }
}
