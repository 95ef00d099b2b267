// Two ways to send a gRPC stream: the library the platform may well use (grpc-js), and HTTP/2 by hand, which can do what no library would.
import http2 from 'node:http2';
import { isIP } from 'node:net';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';

const require = createRequire(import.meta.url);
const PROTO = new URL('streaming.proto', import.meta.url).pathname;
const METHOD = '/ringcentral.ringcx.streaming.v1beta2.Streaming/Stream';

let loaded;
// {grpc, Streaming (client constructor), serialize(object), definition}
export function grpcTools() {
  if (loaded)
    return loaded;
  let grpc, loader;
  try {
    [grpc, loader] = [require('@grpc/grpc-js'), require('@grpc/proto-loader')];
  } catch (error) {
    throw error.code === 'MODULE_NOT_FOUND' ? new Error('@grpc/grpc-js is missing: npm ci in the root of the repository') : error;
  }
  const packages = loader.loadSync(PROTO, { keepCase: true, longs: Number, enums: String, bytes: Buffer, oneofs: true });
  const { Streaming } = grpc.loadPackageDefinition(packages).ringcentral.ringcx.streaming.v1beta2;
  loaded = { grpc, Streaming, serialize: Streaming.service.Stream.requestSerialize, service: Streaming.service };
  return loaded;
}

// "host:443", "grpc://host:443", "grpcs://...", "https://..." -> {target, tls}
export function readTarget(url, tls) {
  const [, scheme, target] = url.match(/^(?:([a-z0-9]+):\/\/)?([^/]+)/i);
  return { target, tls: tls ?? (['grpcs', 'https'].includes(scheme) ? {} : null) };
}

// One connection, for as many streams as are given it (`client` of GrpcWire); whoever makes it closes it. options: tls, gzip as below
export function grpcClient(url, { tls, gzip = false } = {}) {
  const { grpc, Streaming } = grpcTools();
  const where = readTarget(url, tls);
  const credentials = where.tls ? grpc.credentials.createSsl(where.tls.ca ? Buffer.from(where.tls.ca) : null) : grpc.credentials.createInsecure();
  return new Streaming(where.target, credentials, { 'grpc.max_send_message_length': -1, 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_http_proxy': 0,
    ...(gzip ? { 'grpc.default_compression_algorithm': 2 } : {}), ...(where.tls?.servername ? { 'grpc.ssl_target_name_override': where.tls.servername } : {}) });
}

// The same for RawWire (`session`).
export function rawSession(url, { tls } = {}) {
  const where = readTarget(url, tls);
  return http2.connect(`${where.tls ? 'https' : 'http'}://${where.target}`, { ...(isIP(where.target.split(':')[0]) ? { servername: '' } : {}), ...where.tls });
}

// Both have: write(object) -> false when it should wait for drained(), end(), cancel(), kill(), `finished` (a promise of {code, details}).
// options: tls ({ca, servername} or null: in the clear), metadata, gzip, client (of grpcClient(); else a connection of its own)
export class GrpcWire {
  constructor(url, { tls, metadata = {}, gzip = false, client = null } = {}) {
    const { grpc } = grpcTools();
    this.client = client ?? grpcClient(url, { tls, gzip });
    const sent = new grpc.Metadata();
    Object.entries(metadata).forEach(([k, v]) => sent.set(k, v));
    this.finished = new Promise((resolve) => {
      this.call = this.client.Stream(sent, (error, answer) => {
        this.over = true;
        resolve({ code: error?.code ?? 0, details: error?.details ?? '', answer });
        if (!client)
          this.client.close();
      });
    });
    this.call.on('error', () => {});
  }

  write(object) {
    return this.over || this.call.write(object);
  }

  drained() {
    return Promise.race([new Promise((resolve) => this.call.once('drain', resolve)), this.finished]);
  }

  end() {
    this.call.end();
  }

  // RST_STREAM (CANCEL), with nothing more behind what was written.
  cancel() {
    this.over = true;
    this.call.cancel();
  }

  // The connection ends under it.
  kill() {
    this.client.close();
    this.call.cancel();
  }
}

// options: those of GrpcWire, with gzip: 'later' (announced, and done from the disturbance "gzip" on), session (of rawSession()) in place of client, and headers (instead of what a client sends: contentType, method, path, te), pieces (bytes of DATA frames: a number or a list)
export class RawWire {
  constructor(url, { tls, metadata = {}, gzip = false, headers = {}, pieces = 0, session = null } = {}) {
    Object.assign(this, { gzip, pieces: [pieces].flat(), turn: 0 });
    this.session = session ?? rawSession(url, { tls });
    this.finished = new Promise((resolve) => {
      const done = (code, details) => {
        this.over = true;
        resolve({ code, details, answer: this.answer, headers: this.head, goaway: this.goneAway });
        if (!session)
          this.session.close();
      };
      this.session.on('error', (error) => done(14, error.code ?? error.message));
      this.session.on('goaway', (code) => { this.goneAway = code; });
      this.session.on('close', () => done(14, 'connection closed'));
      this.stream = this.session.request({ ':method': 'POST', ':path': METHOD, 'content-type': 'application/grpc', te: 'trailers', 'user-agent': 'grpc-java-netty/1.68.0',
        ...(gzip ? { 'grpc-encoding': 'gzip' } : {}), ...metadata, ...headers });
      const status = (h) => h['grpc-status'] !== undefined && done(Number(h['grpc-status']), decodeURIComponent(h['grpc-message'] ?? ''));
      this.stream.on('response', (h) => {
        this.head = h;
        status(h);
      });
      this.stream.on('trailers', status);
      this.stream.on('data', (data) => { this.answer = Buffer.concat([this.answer ?? Buffer.alloc(0), data]); });
      this.stream.on('error', (error) => done(14, error.code ?? error.message));
      this.stream.on('close', () => done(14, `stream closed (${this.stream.rstCode})`));
    });
  }

  // A message with its prefix.
  frame(object) {
    const plain = grpcTools().serialize(object);
    const zip = this.gzip === true;
    const message = zip ? gzipSync(plain) : plain;
    const prefix = Buffer.alloc(5);
    prefix.writeUInt8(zip ? 1 : 0, 0);
    prefix.writeUInt32BE(message.length, 1);
    return Buffer.concat([prefix, message]);
  }

  write(object) {
    return this.bytes(this.frame(object));
  }

  // As they are, cut as told.
  bytes(bytes) {
    if (this.over || this.stream.destroyed || this.stream.writableEnded)
      return true;
    let flowing = true;
    for (let at = 0; at < bytes.length;) {
      const n = this.pieces[this.turn++ % this.pieces.length] || bytes.length;
      flowing = this.stream.write(bytes.subarray(at, at + n));
      at += n;
    }
    return flowing;
  }

  drained() {
    return Promise.race([new Promise((resolve) => this.stream.once('drain', resolve)), this.finished]);
  }

  end() {
    this.stream.end();
  }

  cancel(code = http2.constants.NGHTTP2_CANCEL) {
    this.over = true;
    this.stream.close(code);
  }

  goaway(code = http2.constants.NGHTTP2_NO_ERROR) {
    this.session.goaway(code);
  }

  // What was sent before has arrived.
  async ping() {
    if (this.session.connecting)
      await new Promise((resolve) => this.session.once('connect', resolve));
    return new Promise((resolve, reject) => this.session.ping((error, ms) => (error ? reject(error) : resolve(ms))));
  }

  kill() {
    this.session.destroy();
  }
}
