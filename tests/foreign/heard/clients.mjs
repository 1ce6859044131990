// Node's own clients, against the server beside: how many answers are heard.
//
//     clients.mjs TIMES NAME URL ..
//
// A line for each client, and one for each cell of the table in which an answer was missed: then it
// exits 1.

import http from 'node:http';
import https from 'node:https';

const EARLY = [
  ['POST', '/nowhere', 404],
  ['PUT', '/ok', 405],
  ['POST', '/401', 401],
  ['POST', '/413', 413],
  ['POST', '/panic', 500],
];
const SIZES = [20, 200_000, 5 * 1024 * 1024];
const PATIENCE = 20_000;

/** One request with an agent that keeps its connections: the status, once all is read. */
const ask = (agent, url, method, body) =>
  new Promise((resolve, reject) => {
    const { request } = url.startsWith('https') ? https : http;
    const asked = request(url, { method, agent, timeout: PATIENCE }, (answer) => {
      answer.on('error', reject).on('end', () => resolve(answer.statusCode)).resume();
    });
    asked.on('error', reject).on('timeout', () => asked.destroy(new Error('silence'))).end(body);
  });

const node = (url) => {
  const kind = url.startsWith('https') ? https : http;
  const agent = new kind.Agent({ keepAlive: true, maxSockets: 1 });
  return async (method, path, body) => {
    const status = await ask(agent, url + path, method, body);
    if ((await ask(agent, `${url}/ok`, 'GET')) !== 200) throw new Error('the next request');
    return status;
  };
};

const fetches = (url) => async (method, path, body) => {
  const once = async (target, options) => {
    const answer = await fetch(target, { ...options, signal: AbortSignal.timeout(PATIENCE) });
    await answer.arrayBuffer();
    return answer.status;
  };
  const status = await once(url + path, { method, body });
  if ((await once(`${url}/ok`, {})) !== 200) throw new Error('the next request');
  return status;
};

const [times, ...servers] = process.argv.slice(2);
let missed = 0;
for (let at = 0; at < servers.length; at += 2) {
  const [name, url] = servers.slice(at, at + 2);
  for (const [client, asks] of [['node', node(url)], ['fetch', fetches(url)]]) {
    let total = 0;
    for (const [method, path, status] of EARLY) {
      for (const size of SIZES) {
        let heard = 0;
        const why = new Set();
        for (let time = 0; time < times; time += 1) {
          try {
            heard += (await asks(method, path, Buffer.alloc(size, 'x'))) === status;
          } catch (error) {
            why.add(error.code ?? error.cause?.code ?? error.message);
          }
        }
        total += heard;
        if (heard < times) {
          missed += 1;
          console.log([name, client, status, size, `B: ${heard}/${times}`, ...why].join(' '));
        }
      }
    }
    console.log(`${name} ${client}: ${total}/${times * EARLY.length * SIZES.length}`);
  }
}
process.exit(missed > 0 ? 1 : 0);
