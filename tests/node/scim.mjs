// A SCIM 2.0 server: scimmy-routers as they are, over HTTPS, with users and groups in memory.
// One JSON line per request on standard output. The file BEHAVE, read at each request, may make
// it misbehave: {"status":N,"method":"PATCH","path":"/Users","times":n,"headers":{..}} answers
// that instead; {"lie":true} takes writes and forgets them; {"deaf":true} ignores filters;
// {"words":true} writes booleans as text; {"etag":true} has versions and wants If-Match;
// {"fault":"hang"|"reset"|"drip"|"nonsense"|"endless"|"late"|"lost","method":..,"path":..} is broken in that way.
//
// GET /dump gives all there is, POST /seed puts a user in, past the protocol.
import { readFileSync, existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { randomUUID } from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const o = JSON.parse(process.argv[2]);
const behave = () => (existsSync(o.behave) ? JSON.parse(readFileSync(o.behave, "utf8")) : {});
const store = { User: new Map(), Group: new Map() };
const tokens = new Set(o.token ? [o.token] : []);

function declare(type, resource) {
  const all = store[type];
  SCIMMY.Resources.declare(resource)
    .ingress((r, instance) => {
      const id = r.id ?? randomUUID();
      if (r.id && !all.has(r.id)) throw new SCIMMY.Types.Error(404, null, `no ${type} ${r.id}`);
      const value = JSON.parse(JSON.stringify(instance));
      if (type === "User") for (const [other, u] of all)
        if (other !== id && u.userName.toLowerCase() === value.userName.toLowerCase())
          throw new SCIMMY.Types.Error(409, "uniqueness", "userName is taken");
      const stored = { ...value, id, meta: { version: `W/"${randomUUID()}"` } };
      if (!behave().lie) all.set(id, stored);
      return stored;
    })
    .egress((r) => {
      if (r.id) {
        if (!all.has(r.id)) throw new SCIMMY.Types.Error(404, null, `no ${type} ${r.id}`);
        return all.get(r.id);
      }
      const name = r.filter?.[0]?.userName?.[1]; // caseExact is false for it: RFC 7643, 4.1.1
      if (name) return [...all.values()].filter((u) => u.userName.toLowerCase() === name.toLowerCase());
      return r.filter ? r.filter.match([...all.values()]) : [...all.values()];
    })
    .degress((r) => {
      if (!all.has(r.id)) throw new SCIMMY.Types.Error(404, null, `no ${type} ${r.id}`);
      if (!behave().lie) all.delete(r.id);
    });
}
declare("User", SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false));
declare("Group", SCIMMY.Resources.Group);

// True: the request goes no further.
function broken(fault, req, res, next) {
  const { socket } = req;
  if (fault === "hang") return true;
  if (fault === "late") setTimeout(next, 1500);
  if (fault === "lost") { // it is done, and the answer does not arrive
    res.end = () => socket.destroy();
    next();
  }
  if (fault === "nonsense") res.status(200).type("application/scim+json").send('{"schemas":[,"Resources"');
  if (fault === "reset") {
    res.writeHead(200, { "Content-Type": "application/scim+json", "Content-Length": "1000" });
    res.write('{"schemas":');
    setTimeout(() => socket.destroy(), 50);
  }
  if (fault === "drip") {
    res.writeHead(200, { "Content-Type": "application/scim+json" });
    const timer = setInterval(() => (res.destroyed ? clearInterval(timer) : res.write(" ")), 100);
  }
  if (fault === "endless") {
    res.writeHead(200, { "Content-Type": "application/scim+json" });
    const pour = () => { while (!res.destroyed && res.write(" ".repeat(65536))); };
    res.on("drain", pour);
    pour();
  }
  return true;
}

const app = express();
app.use((req, res, next) => {
  const how = req.path.startsWith("/scim/") ? behave() : {}; // what the test asks itself is answered truly
  process.stdout.write(JSON.stringify({ method: req.method, url: req.url, headers: req.headers,
    connection: req.socket.remotePort, peer: req.socket.getPeerCertificate?.()?.subject?.UID ?? null }) + "\n");
  if (how.deaf) req.url = req.url.replace(/\?filter=[^&]*/, "");
  const match = (!how.method || how.method === req.method) && (!how.path || req.path.startsWith("/scim" + how.path));
  if (how.fault && match && broken(how.fault, req, res, next)) return undefined;
  if (how.status && match && (how.times ?? 1) > 0) {
    writeFileSync(o.behave, JSON.stringify({ ...how, times: (how.times ?? 1) - 1 }));
    return res.status(how.status).set(how.headers ?? {}).json({
      schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"], status: String(how.status), detail: how.detail });
  }
  const user = store.User.get(/^\/scim\/Users\/([^/?]+)/.exec(req.path)?.[1]);
  if (how.etag && user) {
    res.set("ETag", user.meta.version);
    if (["PATCH", "PUT"].includes(req.method) && req.headers["if-match"] !== user.meta.version)
      return res.status(412).json({ status: "412", detail: "another version" });
  }
  if (how.words) {
    const send = res.send.bind(res);
    res.send = (body) => send(typeof body === "string" ? body.replace(/"active":(true|false)/g, '"active":"$1"') : body);
  }
  next();
});
app.get("/dump", (req, res) => res.json({ users: [...store.User.values()], groups: [...store.Group.values()] }));
app.post("/seed", express.json(), (req, res) => {
  const id = randomUUID();
  store.User.set(id, { ...req.body, id, meta: { version: 'W/"1"' } });
  res.json({ id });
});
app.post("/wipe/:id", (req, res) => { store.User.delete(req.params.id); res.json({}); });
app.post("/token", express.urlencoded({ extended: false }), (req, res) => {
  const want = "Basic " + Buffer.from(`${encodeURIComponent(o.client)}:${encodeURIComponent(o.password)}`).toString("base64");
  if (req.headers.authorization !== want || req.body.grant_type !== "client_credentials")
    return res.status(401).json({ error: "invalid_client" });
  const token = randomUUID();
  tokens.add(token);
  res.json({ access_token: token, token_type: "Bearer", expires_in: 3600 });
});
app.post("/revoke", (req, res) => { tokens.clear(); res.json({}); });
app.use("/scim", new SCIMMYRouters({
  type: "bearer",
  handler: (req) => {
    const token = req.header("Authorization")?.replace(/^Bearer /, "");
    if (!(o.ca && !o.token) && !tokens.has(token)) throw new Error("wrong token");
    return "provd";
  },
}));

const server = createServer({
  cert: readFileSync(o.cert), key: readFileSync(o.key), ca: o.ca && readFileSync(o.ca),
  requestCert: !!o.ca, rejectUnauthorized: !!o.ca }, app);
server.listen(o.port ?? 0, "127.0.0.1", () => process.stdout.write(JSON.stringify({ port: server.address().port }) + "\n"));
