// Every protocol of live audio that dials us, on a real process: who is let in, what ends a connection and with which code, and what a bad road does to
// its frames. What belongs to one protocol alone is in media.test.mjs and media_ringcx.test.mjs.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mediaWorldFor, PUBLIC, TOKEN } from './lib/media.mjs';
import { SECRET } from './lib/world.mjs';
import { MEDIA_CLIENTS } from '../../tools/media-sim/index.mjs';
import { AgentSessionClient, readTalk } from '../../tools/rc-sim/index.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = mediaWorldFor({ before, after }, { config: { media: { silence_limit_ms: '2s' } } }, async (world) => {
  const { product } = world;
  const basic = [{ type: 'basic', user: 'us', secret: product.secret('basic', 'pass:word') }];
  await world.mediaSource('twilio', 'line');
  for (const dialect of ['telnyx', 'signalwire', 'plivo', 'exotel', 'ringcx'])
    await world.mediaSource(dialect, 'line', basic);
});

const pair = (text) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
const BASIC = { good: { headers: pair('us:pass:word') }, bad: [{}, { headers: pair('us:pass') }, { headers: { authorization: 'Basic' } }] };
const by = (Client, path, ways, more = {}) => ({ Client, path, ...ways, ...more });
// `speechless`: what it sends before its start, if audio is no text.
const DIALECTS = {
  twilio: by(MEDIA_CLIENTS.twilio, '/in/twilio/line', { good: { authToken: TOKEN, publicUrl: `${PUBLIC}/in/twilio/line` }, bad: [{}, { authToken: 'another', publicUrl: `${PUBLIC}/in/twilio/line` }] }),
  telnyx: by(MEDIA_CLIENTS.telnyx, '/in/telnyx/line', BASIC),
  signalwire: by(MEDIA_CLIENTS.signalwire, '/in/signalwire/line', BASIC),
  plivo: by(MEDIA_CLIENTS.plivo, '/in/plivo/line', BASIC),
  exotel: by(MEDIA_CLIENTS.exotel, '/in/exotel/line', BASIC),
  'vapi-transcriber': by(MEDIA_CLIENTS['vapi-transcriber'], '/in/vapi/main/transcriber', { good: { secret: SECRET }, bad: [{}, { secret: 'another' }] }, { takesBinary: true }),
  ringcx: by(AgentSessionClient, '/in/ringcx/line', BASIC, { connect: (url, opts) => AgentSessionClient.connect(url, {}, opts), patient: true }),
};
const connect = ({ Client, path, connect: how }, opts, at = path) => (how ?? ((url, o) => Client.connect(url, o)))(w().ws + at, opts);

for (const [name, dialect] of Object.entries(DIALECTS)) {
  test(`${name}: who is not let in`, async () => {
    for (const bad of dialect.bad)
      await assert.rejects(connect(dialect, bad), (error) => error.status === 401, JSON.stringify(bad));
    for (const at of [dialect.path.replace(/line|main/, 'nobody'), dialect.path.replace('/in/', '/in/x')])
      await assert.rejects(connect(dialect, dialect.good, at), (error) => error.status === 404, at);
    await (await connect(dialect, dialect.good)).close();
  });

  test(`${name}: what ends a connection`, async () => {
    const closes = async (say, code, reason) => {
      const client = await connect(dialect, dialect.good);
      say(client);
      const end = await client.closed;
      assert.equal(end.code, code, `${end.code} ${end.reason}`);
      assert.match(end.reason, reason);
    };
    await closes((c) => c.send(Buffer.alloc(160)), dialect.takesBinary ? 1008 : 1003, dialect.takesBinary ? /start/ : /binary/);
    if (!dialect.takesBinary)
      await closes((c) => c.start().send(Buffer.alloc(160)), 1003, /binary/);
    await closes((c) => c.start().declare(2 ** 30), 1009, /too large/);
    await closes((c) => c.start().declare(2 ** 30, { binary: false, first: Buffer.from('{"event":"') }), 1009, /too large/);
    await closes((c) => c.send(JSON.stringify({ event: 'start', more: 'x'.repeat(512 * 1024) })), 1009, /too large/);
    await closes((c) => c.send('{"event":'), 1008, /./);
    await until('no socket is left', async () => (await w().counted('callmend_media_sockets')) === 0);
  });

  test(`${name}: silence`, { skip: dialect.patient && 'its audio pauses on hold: sixty times as patient' }, async () => {
    const started = (await connect(dialect, dialect.good)).start();
    const said = await connect(dialect, dialect.good);
    for (const client of [started, said]) {
      const { code, reason } = await client.closed;
      assert.equal(code, 4408);
      assert.match(reason, /no message/);
    }
  });
}
