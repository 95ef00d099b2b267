// A road of HTTP/2 frames between a client that speaks it in the clear and a server: frames go by unchanged, and what no library sends on request is put between them.
import net from 'node:net';
import tls from 'node:tls';

const PREFACE_BYTES = 24;
const [RST_STREAM, GOAWAY] = [3, 7];
const CANCEL = 8;

function frame(type, stream, ...numbers) {
  const bytes = Buffer.alloc(9 + 4 * numbers.length);
  bytes.writeUIntBE(4 * numbers.length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt32BE(stream, 5);
  numbers.forEach((n, i) => bytes.writeUInt32BE(n, 9 + 4 * i));
  return bytes;
}

// Takes bytes as they come, gives whole frames (and first what stands before them).
function framed(preface, give) {
  let kept = Buffer.alloc(0);
  let before = preface;
  return (bytes) => {
    kept = Buffer.concat([kept, bytes]);
    for (let n; (n = before || (kept.length < 9 ? Infinity : 9 + kept.readUIntBE(0, 3))) <= kept.length;) {
      give(kept.subarray(0, n), before ? 0 : kept.readUInt32BE(5));
      kept = kept.subarray(n);
      before = 0;
    }
  };
}

export class FrameRoad {
  // options: tls ({ca}: how it goes on to the server; null: in the clear)
  static async to(port, options = {}) {
    const road = Object.assign(new FrameRoad(), { port, options, pairs: [] });
    road.server = net.createServer((socket) => road.#open(socket));
    await new Promise((resolve) => road.server.listen(0, 'localhost', resolve));
    road.target = `localhost:${road.server.address().port}`;
    return road;
  }

  #open(near) {
    const { tls: secure } = this.options;
    const wire = net.connect(this.port, 'localhost');
    const far = secure ? tls.connect({ ...secure, socket: wire, servername: 'localhost', ALPNProtocols: ['h2'] }) : wire;
    const gone = new Set();
    this.pairs.push({ near, far, wire, gone });
    near.on('data', framed(PREFACE_BYTES, (bytes, stream) => gone.has(stream) || far.write(bytes)));
    far.on('data', framed(0, (bytes) => near.write(bytes)));
    for (const [one, other] of [[near, far], [far, near]]) {
      one.on('error', () => {});
      one.on('close', (failed) => (failed ? other.destroy() : other.end())); // in order: what is on its way arrives
    }
  }

  // Of the newest connection: this stream is reset, for both sides. Streams of a client are numbered 1, 3, 5 ...
  reset(stream) {
    const { near, far, gone } = this.pairs.at(-1);
    gone.add(stream);
    [near, far].forEach((socket) => socket.write(frame(RST_STREAM, stream, CANCEL)));
  }

  // The client says that it will take nothing new.
  goaway() {
    this.pairs.at(-1).far.write(frame(GOAWAY, 0, 0, 0));
  }

  // All connections break, without a word.
  cut() {
    this.pairs.splice(0).forEach(({ near, wire }) => [near, wire].forEach((socket) => socket.resetAndDestroy()));
  }

  close() {
    this.cut();
    this.server.close();
  }
}
