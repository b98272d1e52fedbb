// A receiver of webhooks: HTTPS, verified by the standardwebhooks package, one JSON line per
// request on standard output, and a line {"answered":ID} before a good answer is sent. What it answers
// is read from the file BEHAVE at each request; {"mix":["ok","reset",..]} takes one of these by chance.
//
// Usage: node webhook.mjs '{"cert":..,"key":..,"ca":..,"secret":"whsec_..","behave":FILE}'
import { readFileSync, existsSync } from "node:fs";
import { createServer } from "node:https";
import { createPublicKey, verify } from "node:crypto";
import { Webhook } from "standardwebhooks";

const o = JSON.parse(process.argv[2]);

function checkHmac(body, headers) {
  if (!o.secret) return null;
  try {
    new Webhook(o.secret).verify(body, headers);
    return true;
  } catch (e) {
    return String(e.message);
  }
}

// v1a: Ed25519 over the same text, with the key of the sender (whpk_: 32 bytes)
function checkEd25519(body, headers) {
  if (!o.public) return null;
  const raw = Buffer.from(o.public.slice("whpk_".length), "base64");
  const key = createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") }, format: "jwk" });
  const text = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  return headers["webhook-signature"].split(" ").some((s) => s.startsWith("v1a,") &&
    verify(null, Buffer.from(text), key, Buffer.from(s.slice(4), "base64")));
}

const mixed = { ok: {}, hangup: { hangup: true }, reset: { reset: true }, error: { status: 500 },
  slow: { delay: 300 }, refuse: { refuse: 300 } };

function behaviour() {
  const now = existsSync(o.behave) ? JSON.parse(readFileSync(o.behave, "utf8")) : {};
  if (!now.mix) return now;
  const fault = now.mix[Math.floor(Math.random() * now.mix.length)];
  return { fault, ...mixed[fault] };
}

// Connections are cut and new ones refused for so many ms.
function refuse(ms) {
  const { port } = server.address() ?? {};
  if (!port) return; // refuses already
  server.close();
  server.closeAllConnections();
  setTimeout(() => server.listen(port, "127.0.0.1"), ms);
}

const server = createServer({
  cert: readFileSync(o.cert), key: readFileSync(o.key), ca: o.ca && readFileSync(o.ca),
  requestCert: !!o.ca, rejectUnauthorized: !!o.ca,
}, (req, res) => {
  let body = "";
  req.setEncoding("utf8");
  req.on("data", (part) => { body += part; });
  req.on("end", () => {
    const now = behaviour();
    const line = { method: req.method, url: req.url, headers: req.headers, body,
      hmac: checkHmac(body, req.headers), ed25519: checkEd25519(body, req.headers),
      connection: req.socket.remotePort, at: Date.now(), fault: now.fault,
      peer: req.socket.getPeerCertificate()?.subject?.UID ?? null };
    process.stdout.write(JSON.stringify(line) + "\n");
    // faults: closed without an answer, in the middle of one, byte by byte, without an end, not HTTP
    if (now.refuse) return refuse(now.refuse);
    if (now.hangup) return req.socket.destroy();
    if (now.reset) {
      res.writeHead(200, { "Content-Length": "1000" });
      res.write("half an ans");
      return setTimeout(() => req.socket.destroy(), 50);
    }
    if (now.drip) {
      const answer = `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Pad: ${"x".repeat(1000)}\r\n\r\n`;
      let at = 0;
      const timer = setInterval(() => {
        if (req.socket.destroyed || at >= answer.length) return clearInterval(timer);
        req.socket.write(answer[at++]);
      }, 100);
      return undefined;
    }
    if (now.endless) {
      res.writeHead(now.status ?? 200);
      const pour = () => { while (!res.destroyed && res.write("x".repeat(65536))); };
      res.on("drain", pour);
      return pour();
    }
    if (now.garbage) return req.socket.end("\x00\x01 this is no HTTP\r\n\r\n");
    return setTimeout(() => {
      if (!now.status || now.status < 300)
        process.stdout.write(JSON.stringify({ answered: req.headers["webhook-id"] }) + "\n");
      res.writeHead(now.status ?? 200, now.headers ?? {});
      res.end("x".repeat(now.size ?? 0) + (now.text ?? ""));
    }, now.delay ?? 0);
  });
});

server.once("listening", () => process.stdout.write(JSON.stringify({ port: server.address().port }) + "\n"));
server.listen(o.port ?? 0, "127.0.0.1");
