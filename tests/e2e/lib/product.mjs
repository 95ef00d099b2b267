// The product under test: started in a temporary folder on a free port, watched, killed and started again. Every instance is a stranger
// to all others.
import { spawn, execFile } from 'node:child_process';
import { mkdtempSync, mkdirSync, writeFileSync, readFileSync, readdirSync, existsSync, rmSync, openSync, closeSync, chmodSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../../../tools/lib/wait.mjs';
import { LiveClient } from '../../../tools/lib/live.mjs';

const run = promisify(execFile);

export const BINARY = process.env.CALLMEND_BIN ?? findBinary();

function findBinary() {
  const root = new URL('../../..', import.meta.url).pathname;
  const found = ['build/dev/src/node/callmend', 'build/dev/callmend'].map((p) => join(root, p)).find(existsSync);
  return found ?? join(root, 'build/dev/src/node/callmend');
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

// Nothing stays behind when the test process ends early.
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGTERM')));
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'])
  process.on(signal, () => process.exit(1));

// Small segments and short limits, so that tests see whole lives of things.
const DEFAULT_CONFIG = {
  listen: { host: '127.0.0.1' },
  core: { shards: 2, drain_limit_ms: '1s' },
  journal: { segment_bytes: '4MiB' },
  log: { level: 'info', format: 'text' },
};

const merge = (a, b) => {
  const out = { ...a };
  for (const [key, value] of Object.entries(b ?? {}))
    out[key] = value && typeof value === 'object' && !Array.isArray(value) ? merge(a?.[key] ?? {}, value) : value;
  return out;
};

export class Product {
  // `shell`: what a shell is told before it becomes the product, such as its ulimits.
  constructor({ config = {}, env = {}, dir = null, port = null, shell = null } = {}) {
    this.dir = dir ?? mkdtempSync('/tmp/callmend-e2e-');
    chmodSync(this.dir, 0o755); // a private PostgreSQL started by root runs as somebody else
    this.stateDir = join(this.dir, 'state');
    this.secretsDir = join(this.dir, 'secrets');
    this.configFile = join(this.dir, 'callmend.yaml');
    this.logFile = join(this.dir, 'log');
    this.config = config;
    this.env = env;
    this.port = port;
    this.shell = shell;
    mkdirSync(this.secretsDir, { recursive: true, mode: 0o700 });
  }

  static async start(options = {}) {
    const product = new Product(options);
    try {
      await product.#takeCluster();
      await product.launch();
      await product.cli(['migrate', '--config', product.configFile]); // waits for the one that runs: tokens work before the last table is there
      await product.makeToken();
    } catch (error) {
      const log = product.log().slice(-4000);
      await product.destroy();
      throw new Error(`${error.message}\n--- log ---\n${log}`);
    }
    return product;
  }

  // ./dev test makes a PostgreSQL with the whole schema once (tests/store/make_cluster.c); making it again for every product takes two seconds.
  // `new Product` and launch() begin with nothing.
  async #takeCluster() {
    const made = process.env.CALLMEND_TEST_CLUSTER;
    const home = join(this.stateDir, 'postgres');
    if (!made || existsSync(home))
      return;
    mkdirSync(home, { recursive: true, mode: 0o700 });
    await run('cp', ['-a', '--reflink=auto', join(made, 'postgres/data'), home]);
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  // A file secret; gives its reference.
  secret(name, value) {
    writeFileSync(join(this.secretsDir, name), value, { mode: 0o600 });
    return { file: name };
  }

  async launch({ ready = true } = {}) {
    this.port ??= await freePort();
    const config = merge(merge(DEFAULT_CONFIG, this.config), { state_dir: this.stateDir, secrets_dir: this.secretsDir, listen: { port: this.port } });
    writeFileSync(this.configFile, JSON.stringify(config, null, 2)); // JSON is YAML
    const log = openSync(this.logFile, 'a');
    const command = [BINARY, 'up', '--config', this.configFile];
    const [program, ...args] = this.shell ? ['bash', '-c', `${this.shell}; exec "$@"`, 'bash', ...command] : command;
    this.child = spawn(program, args, { env: { ...process.env, ...this.env }, stdio: ['ignore', log, log], cwd: this.dir });
    closeSync(log);
    const { child } = this;
    running.add(child);
    this.exit = new Promise((resolve) => {
      this.child.on('exit', (code, signal) => {
        running.delete(child);
        resolve({ code, signal });
      });
      this.child.on('error', (error) => resolve({ code: -1, signal: null, error }));
    });
    if (ready)
      await this.ready();
    return this;
  }

  ready(timeoutMs = 60000) {
    return until('readyz is 200', async () => {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw Object.assign(new Error(`${BINARY} has exited (${this.child.exitCode ?? this.child.signalCode}): ${this.log().slice(-1500)}`), { fatal: true });
      return (await fetch(`${this.url}/readyz`)).status === 200;
    }, { timeoutMs, everyMs: 50, fatal: (error) => error.fatal });
  }

  async cli(args, { input = null, env = {} } = {}) {
    const promise = run(BINARY, args, { env: { ...process.env, ...this.env, ...env }, timeout: 60000, maxBuffer: 1 << 28 });
    if (input !== null)
      promise.child.stdin.end(input);
    try {
      return { code: 0, ...(await promise) };
    } catch (error) {
      return { code: error.code ?? -1, stdout: error.stdout ?? '', stderr: error.stderr ?? error.message };
    }
  }

  async makeToken(role = 'admin', name = `e2e ${role}`) {
    const { code, stdout, stderr } = await this.cli(['token', 'create', name, '--role', role, '--config', this.configFile]);
    if (code !== 0)
      throw new Error(`token create: ${stderr || stdout}`);
    const token = stdout.trim().split(/\s+/).filter((word) => /^[A-Za-z0-9_-]{20,}$/.test(word)).at(-1);
    if (!token)
      throw new Error(`token create printed no token: ${stdout}`);
    this.token ??= token;
    await until('the token is known', async () => (await this.api('GET', '/api/v1/calls', undefined, { token })).status === 200);
    return token;
  }

  // One API request. {status, body, headers}; body is JSON when it is JSON.
  async api(method, path, body, { token = this.token, key = null, headers = {} } = {}) {
    const response = await fetch(this.url + path, {
      method,
      headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key ? { 'idempotency-key': key } : {}), ...headers },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    let parsed = text;
    try {
      parsed = JSON.parse(text);
    } catch { /* text it is */ }
    return { status: response.status, body: parsed, headers: response.headers };
  }

  // The same, and anything but 2xx is an error.
  async must(method, path, body, options) {
    const answer = await this.api(method, path, body, options);
    if (answer.status < 200 || answer.status > 299)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  webhook(source, body, { headers = {}, secret = 'hush', signal } = {}) {
    return fetch(`${this.url}/in/vapi/${source}`, {
      method: 'POST', signal, headers: { 'content-type': 'application/json', ...(secret ? { 'x-vapi-secret': secret } : {}), ...headers },
      body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    });
  }

  live(options) {
    return LiveClient.connect(this, options);
  }

  async metric(name) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const values = text.split('\n').filter((line) => line.startsWith(name) && /^[{ ]/.test(line.slice(name.length))).map((line) => Number(line.split(' ').at(-1)));
    return values.length ? values.reduce((a, b) => a + b, 0) : undefined;
  }

  // --- PostgreSQL, past the product -----------------------------------------------------------------------------------

  #socketDir() {
    const look = (dir, depth) => {
      if (depth < 0 || !existsSync(dir))
        return null;
      for (const item of readdirSync(dir, { withFileTypes: true })) {
        const socket = item.name.match(/^\.s\.PGSQL\.(\d+)$/);
        if (socket)
          return { host: dir, port: socket[1] };
        const below = item.isDirectory() && item.name !== 'base' && item.name !== 'pg_wal' ? look(join(dir, item.name), depth - 1) : null;
        if (below)
          return below;
      }
      return null;
    };
    return look(join(this.stateDir, 'postgres'), 2);
  }

  #psqlArguments() {
    const { host, port } = this.#socketDir() ?? {};
    if (!host)
      throw new Error('no PostgreSQL socket');
    return ['-h', host, '-p', port, '-U', 'callmend', '-d', 'callmend', '-v', 'ON_ERROR_STOP=1', '-XAtq'];
  }

  async #psql(text) {
    const { stdout } = await run('psql', [...this.#psqlArguments(), '-c', text], { maxBuffer: 1 << 28, timeout: 30000 });
    return stdout;
  }

  // Rows as objects.
  async sql(query) {
    return JSON.parse(await this.#psql(`select coalesce(json_agg(x), '[]') from (${query}) x`));
  }

  // A statement that changes something.
  exec(statement) {
    return this.#psql(statement);
  }

  // The same in a transaction that stays open, with all its locks, until what this gives is called.
  async hold(statement) {
    const child = spawn('psql', this.#psqlArguments(), { env: { ...process.env, PGAPPNAME: 'held' }, stdio: ['pipe', 'ignore', 'ignore'] });
    const exit = new Promise((resolve) => child.on('exit', resolve));
    running.add(child);
    child.stdin.write(`begin; ${statement};\n`);
    await until('the transaction is open', async () =>
      (await this.sql("select 1 from pg_stat_activity where application_name = 'held' and state = 'idle in transaction'")).length);
    return () => {
      running.delete(child);
      child.stdin.end('commit;\n');
      return exit;
    };
  }

  // --- processes -----------------------------------------------------------------------------------------------------------

  pid(role) {
    try {
      return Number(readFileSync(join(this.stateDir, 'run', `${role}.pid`), 'utf8').trim()) || null;
    } catch {
      return null;
    }
  }

  // Sends a signal to parent, core or postgres; gives the pid, or null when it was not there.
  kill(role, signal = 'SIGKILL') {
    const pid = this.pid(role);
    if (!pid || !alive(pid))
      return null;
    try {
      process.kill(pid, signal);
    } catch {
      return null;
    }
    return pid;
  }

  // Until the role runs again under another pid.
  restarted(role, old, timeoutMs = 30000) {
    return until(`${role} runs again`, () => {
      const pid = this.pid(role);
      return pid && pid !== old && alive(pid) ? pid : null;
    }, { timeoutMs });
  }

  async stop({ timeoutMs = 30000 } = {}) {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null)
      return this.exit;
    this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), timeoutMs);
    const how = await this.exit;
    clearTimeout(late);
    return how;
  }

  // Ends everything that was started here, by its pid, and removes the folder (kept with CALLMEND_KEEP=1).
  async destroy() {
    const pids = ['parent', 'core', 'postgres'].map((role) => this.pid(role));
    await this.stop();
    for (const pid of pids)
      if (pid && alive(pid) && isOurs(pid, this.dir))
        process.kill(pid, 'SIGKILL');
    if (!process.env.CALLMEND_KEEP)
      rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  journalBytes() {
    const dir = join(this.stateDir, 'journal');
    return existsSync(dir) ? readdirSync(dir).reduce((sum, f) => sum + statSync(join(dir, f)).size, 0) : 0;
  }
}

// A pid may have been given to somebody else meanwhile.
function isOurs(pid, dir) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dir) || readFileSync(`/proc/${pid}/environ`, 'utf8').includes(dir);
  } catch {
    return false;
  }
}
