// What is asked of a NATS server, with the client of the nats package, over TLS: streams made and
// read, JWTs written. Does one thing and prints its result as a line of JSON.
//
// Usage: node nats.mjs '{"do":"..","url":"tls://..","ca":FILE,"user":..,"pass":..,"token":..,"creds":FILE,..}'
import { readFileSync } from "node:fs";
import { connect, credsAuthenticator, headers } from "nats";
import { createAccount, createOperator, createUser } from "@nats-io/nkeys";
import { encodeAccount, encodeOperator, encodeUser, fmtCreds } from "@nats-io/jwt";

const o = JSON.parse(process.argv[2]);

function message(m) {
  const head = {};
  for (const [k, v] of m.header ?? []) head[k] = v[0];
  return { seq: m.seq, subject: m.subject, headers: head, data: new TextDecoder().decode(m.data) };
}

async function readAll(manager) {
  const { state } = await manager.streams.info(o.stream);
  const found = [];
  let seq = state.first_seq;
  while (state.messages && seq <= state.last_seq) {
    const m = await manager.streams.getMessage(o.stream, { seq, next_by_subj: o.filter ?? ">" }).catch((e) => {
      if (e.api_error?.err_code === 10037 || e.code === "404") return null;
      throw e;
    });
    if (!m) break;
    found.push(message(m));
    seq = m.seq + 1;
  }
  return found;
}

// An operator with one account that may use JetStream, and a user in it.
async function makeJwts() {
  const [op, system, account, user] = [createOperator(), createAccount(), createAccount(), createUser()];
  const limits = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1, conn: -1, leaf: -1, imports: -1,
    exports: -1, wildcards: true, subs: -1, data: -1, payload: -1 };
  const jwt = await encodeUser("provd", user, account, { subs: -1, data: -1, payload: -1 });
  return {
    operator: await encodeOperator("O", op, { system_account: system.getPublicKey() }),
    system: system.getPublicKey(), account: account.getPublicKey(),
    resolver: { [system.getPublicKey()]: await encodeAccount("SYS", system, {}, { signer: op }),
      [account.getPublicKey()]: await encodeAccount("A", account, { limits }, { signer: op }) },
    creds: new TextDecoder().decode(fmtCreds(jwt, user)),
  };
}

async function ask() {
  const nc = await connect({ servers: o.url, tls: { caFile: o.ca }, user: o.user, pass: o.pass, token: o.token,
    authenticator: o.creds && credsAuthenticator(readFileSync(o.creds)), timeout: 5000, reconnect: false });
  const manager = await nc.jetstreamManager({ checkAPI: false });
  const actions = {
    ping: async () => (await nc.flush(), true),
    add: async () => (await manager.streams.add(o.config)).config.name,
    update: async () => (await manager.streams.update(o.stream, o.config)).config.name,
    remove: () => manager.streams.delete(o.stream),
    purge: () => manager.streams.purge(o.stream),
    messages: () => readAll(manager),
    // somebody who is no stream answers what comes to a subject, for a while
    reply: async () => {
      nc.subscribe(o.subject, { callback: (_, m) => m.respond(new TextEncoder().encode("hello")) });
      await nc.flush();
      console.log(JSON.stringify("listens"));
      await new Promise((done) => process.stdin.on("end", done).resume());
    },
    publish: async () => {
      const h = headers();
      h.set("Nats-Msg-Id", o.id);
      return nc.jetstream().publish(o.subject, "x", { headers: h });
    },
  };
  try {
    return await actions[o.do]();
  } finally {
    await nc.close();
  }
}

try {
  console.log(JSON.stringify((await (o.do === "jwts" ? makeJwts() : ask())) ?? null));
} catch (e) {
  console.error(String(e.stack ?? e));
  process.exit(1);
}
