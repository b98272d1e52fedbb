// A receiver of Security Event Tokens (RFC 8935): HTTPS, verified by the jose package with the
// key set that the transmitter has published, one JSON line per request on standard output.
//
// Usage: node caep.mjs '{"cert":..,"key":..,"jwks":FILE,"issuer":..,"audience":..,"behave":FILE}'
import { readFileSync, existsSync } from "node:fs";
import { createServer } from "node:https";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";

const o = JSON.parse(process.argv[2]);

async function check(token) {
  try {
    const keys = createLocalJWKSet(JSON.parse(readFileSync(o.jwks, "utf8")));
    const { payload } = await jwtVerify(token, keys, { issuer: o.issuer, audience: o.audience,
      typ: "secevent+jwt", algorithms: ["ES256", "EdDSA"], requiredClaims: ["jti", "iat", "events", "sub_id"] });
    return { verified: true, claims: payload, header: decodeProtectedHeader(token) };
  } catch (e) {
    return { verified: String(e.code ?? e.message) };
  }
}

const server = createServer({ cert: readFileSync(o.cert), key: readFileSync(o.key) }, (req, res) => {
  let body = "";
  req.setEncoding("utf8");
  req.on("data", (part) => { body += part; });
  req.on("end", async () => {
    const now = existsSync(o.behave) ? JSON.parse(readFileSync(o.behave, "utf8")) : {};
    const token = await check(body);
    process.stdout.write(JSON.stringify({ method: req.method, headers: req.headers, ...token }) + "\n");
    const fault = now.err ?? (token.verified === true ? null : "invalid_key"); // RFC 8935, 2.4
    res.writeHead(now.status ?? (fault ? 400 : 202), { "Content-Type": "application/json", ...now.headers });
    res.end(fault ? JSON.stringify({ err: fault, description: String(token.verified) }) : "");
  });
});

server.listen(o.port ?? 0, "127.0.0.1", () => process.stdout.write(JSON.stringify({ port: server.address().port }) + "\n"));
