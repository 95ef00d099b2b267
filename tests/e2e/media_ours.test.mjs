// What we play into streams whose platform keeps it until it is played: recorded, measured and listened to as what is being played there, beside the
// simulators that know what was.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mediaWorldFor } from './lib/media.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { pcmBytes, speak, tone, ulawBytes } from '../../tools/lib/speech.mjs';

const PAIR = { headers: { authorization: `Basic ${Buffer.from('us:pass:word').toString('base64')}` } };
const w = mediaWorldFor({ before, after }, { audio: { listen: true, recording: { on: true, keep_days: 3 } }, config: { recording: { min_free_bytes: 0 } } }, async (world) => {
  const { product } = world;
  await world.mediaSource('twilio', 'line');
  await world.mediaSource('telnyx', 'line', [{ type: 'secret', header: 'x-telnyx-streaming-auth-token', secret: product.secret('telnyx', 'stream-auth-token') }]);
  await world.mediaSource('signalwire', 'line', [{ type: 'bearer', secret: product.secret('signalwire', 'bearer-token') }]);
  for (const dialect of ['plivo', 'exotel'])
    await world.mediaSource(dialect, 'line', [{ type: 'basic', user: 'us', secret: product.secret('basic', 'pass:word') }]);
});

let calls = 0;
// A stream with a call, whose line lives until end(): silence comes in, unless say() has something. It ends as a platform's does.
async function stream(dialect, opts = {}) {
  const id = `ours-${calls++}`;
  const call = await w().running(id, { phoneCallProviderId: `CA${id}` });
  const client = await w().connect(dialect, 'line', { callId: `CA${id}`, ...opts });
  let over = false;
  let next = null;
  client.start();
  const lives = (async () => {
    while (!over && client.isOpen) {
      const turn = next;
      next = null;
      await client.play(turn?.pcm ?? new Int16Array(client.rate / 5));
      turn?.said();
    }
  })();
  await until(`${id} is heard`, () => legs(call).length);
  return { id, call, client,
    say: (pcm) => new Promise((said) => {
      next = { pcm, said };
    }),
    end: async () => {
      over = true;
      await lives;
      await client.stop();
      await w().over(id);
    } };
}

const legs = (call) => w().facts(call).filter((f) => f.heard === 'attached');
const play = (call, bytes, mark) => w().product.must('POST', `/api/v1/calls/${call}/audio/play`, { payload: bytes.toString('base64'), mark });
const clear = (call) => w().product.must('POST', `/api/v1/calls/${call}/audio/clear`, {});
const marked = (call, name) => until(`mark ${name}`, () => w().facts(call).find((f) => f.heard === 'played' && f.text === name));
const seconds = (n, hz = 440) => ulawBytes(tone(hz, n * 1000));

async function recorded(call) {
  const [made] = await until(`recording of ${call}`, async () => {
    const { recordings } = await w().product.must('GET', `/api/v1/calls/${call}/recordings`);
    return recordings.length === 1 && recordings[0].state === 'ready' && recordings;
  }, { timeoutMs: 30000 });
  const p = await w().product.must('GET', `/api/v1/recordings/${made.id}/peaks`);
  return { made, p, startMs: Date.parse(made.started_at) };
}

// When a side is loud, as [from, until] in ms since 1970.
function loud({ p, startMs }, side) {
  const out = [];
  for (let i = 0; i < p[side].length / 2; i++) {
    const [from, until] = [startMs + i * p.ms, startMs + (i + 1) * p.ms];
    if (p[side][2 * i + 1] - p[side][2 * i] < 40)
      continue;
    if (out.length && from - out.at(-1)[1] < 2 * p.ms)
      out.at(-1)[1] = until;
    else
      out.push([from, until]);
  }
  return out;
}

// Long enough to see where one piece ends and the next begins.
const silence = (client) => until('silence', () => client.playout.played.at(-1)[1] + 1500 < Date.now());

// What was heard against what was played. Ours begins when it is sent: after it was asked for and before it could be played, however busy the
// machine; and so it ends, or by a clear at such a moment. SLACK_MS: a recording's waveform has steps of 100 ms.
const SLACK_MS = 250;
function same(heard, played, asked, clears = []) {
  assert.equal(heard.length, played.length, JSON.stringify({ heard, played }));
  heard.forEach(([from, until], i) => {
    const why = JSON.stringify({ i, heard: heard[i], played: played[i], asked: asked[i], cleared: clears[i] });
    assert.ok(from > asked[i] - SLACK_MS && from < played[i][0] + SLACK_MS, `its begin: ${why}`);
    if (clears[i])
      assert.ok(until > clears[i] - SLACK_MS && until < played[i][1] + SLACK_MS, `its end: ${why}`);
    else
      assert.ok(Math.abs(until - from - (played[i][1] - played[i][0])) < SLACK_MS, `its length: ${why}`);
  });
}

test('Twilio: a recording has both halves, each at its second', async () => {
  const { call, client, say, end } = await stream('twilio');
  assert.equal(legs(call).length, 1, 'nothing was played: no second leg');
  const asked = [Date.now()];
  await play(call, seconds(2), 'first');
  assert.equal((await marked(call, 'first')).name, 'played');
  await say(tone(300, 2000));
  await silence(client);
  asked.push(Date.now());
  await play(call, seconds(3), 'second');
  await play(call, seconds(1), 'third'); // behind the one before
  await marked(call, 'third');
  await end();
  assert.deepEqual(legs(call).map((f) => [f.leg, f.speaker, f.name, f.text, f.value]), [[0, 'user', 'twilio', 'pcmu', 8000], [1, 'ai', 'twilio', 'pcmu', 8000]]);
  const recording = await recorded(call);
  const [first, second] = loud(recording, 'right');
  same([first, second], client.playout.played, asked);
  const theirs = loud(recording, 'left');
  assert.equal(theirs.length, 1);
  const middle = (theirs[0][0] + theirs[0][1]) / 2;
  assert.ok(middle > first[1] && middle < second[0], `the caller between them: ${JSON.stringify({ theirs, first, second })}`);
  assert.deepEqual(client.complaints, []);
});

test('Twilio: a clear cuts what has not been played', async () => {
  const { call, client, end } = await stream('twilio');
  const asked = [Date.now()];
  await play(call, seconds(60), 'never');
  await until('a second and a half of it', () => client.playout.waitingMs && client.playout.waitingMs < 58500);
  const clears = [Date.now()];
  await clear(call);
  assert.equal((await marked(call, 'never')).name, 'cleared');
  await silence(client);
  asked.push(Date.now());
  await play(call, seconds(1), 'after');
  await marked(call, 'after');
  await end();
  same(loud(await recorded(call), 'right'), client.playout.played, asked, clears);
});

test('Twilio: marks say where a far side is that begins late', async () => {
  const { call, client, end } = await stream('twilio', { delayMs: 3000 });
  await play(call, seconds(3), 'first');
  await play(call, seconds(7, 300), 'second');
  const first = await marked(call, 'first');
  await marked(call, 'second');
  await end();
  const ours = loud(await recorded(call), 'right');
  const [[from, until]] = client.playout.played;
  assert.ok(Math.abs(until - from - 10000) < 20);
  const late = first.at_us / 1000 - (from + 3000); // the mark, on its way
  const off = ours.at(-1)[1] - until;
  assert.ok(off > -SLACK_MS && off < late + SLACK_MS, `its end is off by ${off} ms, the mark was late by ${late}`);
  assert.equal(ours.length, 2, 'until the first mark it was thought to be earlier');
  assert.ok(from - ours[0][0] > 2000, 'which it was');
});

test('measured and listened to like any leg', async () => {
  const { product } = w();
  const { call, client, say, end } = await stream('twilio');
  const live = await Promise.all(['assistant', 'mix'].map(async (leg) => {
    const one = await product.live({ subscribe: null });
    one.send({ type: 'listen', id: leg, call, leg });
    await one.message('listening');
    return one;
  }));
  const theirs = (kind) => w().facts(call).filter((f) => f.heard === kind && f.speaker === 'user').length;
  const answer = 'of course there is one by the window and another one in the garden and I can put your name down for either of them at once'; // in one breath
  const reply = ulawBytes(speak(Array(4).fill(answer).join(' and '), { voice: 'en-gb' })); // which takes a while: not between question and answer
  await say(speak('good evening is there a table for two at eight'));
  await say(new Int16Array(8000)); // all of it has come
  await until('the caller has stopped', () => theirs('speech_stopped') && theirs('speech_stopped') === theirs('speech_started'));
  const stopped = theirs('speech_stopped');
  await play(call, reply, 'answer');
  const ours = (kind) => until(`${kind} of ours`, () => w().facts(call).find((f) => f.heard === kind && f.speaker === 'ai'));
  await ours('speech_started');
  await Promise.all(live.map((one) => one.until('our voice', () => one.frames.find((f) => f.samples.some((s) => Math.abs(s) > 3000)))));
  // The caller speaks over it, and it gives way.
  const over = say(speak('no wait please wait a moment I would rather come tomorrow if that is possible at all and I would like to bring my brother and his family'));
  await until('the caller speaks again', () => theirs('speech_started') > stopped);
  const since = Date.now();
  await until('for a second', () => Date.now() > since + 1000);
  await clear(call);
  await ours('speech_stopped');
  assert.equal((await marked(call, 'answer')).name, 'cleared');
  await over;
  const measures = await until('who spoke how long', async () => {
    const { audio } = (await product.must('GET', '/api/v1/live/calls')).calls.find(({ id }) => id === call);
    return audio.talk_ms.ai && audio.overlap_ms && audio;
  });
  assert.equal(measures.state, 'two_way');
  assert.ok(measures.talk_ms.user > 0 && measures.ai_share_percent > 0 && measures.ai_share_percent < 100);
  await end();
  live.forEach((one) => one.close());
  const events = async (type) => product.sql(`select data, speaker from call_events where call_id = '${call}' and type = '${type}' order by seq`);
  const [response] = await until('how long the caller waited', async () => (await events('response')).length && events('response'));
  assert.equal(response.speaker, 'ai');
  assert.ok(response.data.latency_ms > 0 && response.data.latency_ms < 30000);
  assert.equal((await until('who spoke over whom', async () => (await events('barge_in')).length && events('barge_in')))[0].speaker, 'user');
  assert.deepEqual((await events('audio.state')).map((e) => e.data.state).slice(0, 2), ['single', 'two_way']);
  assert.equal((await events('audio.played'))[0].data.how, 'cleared');
  assert.deepEqual(client.complaints, []);
});

const L16 = { encode: (pcm) => pcmBytes(pcm) };
const RELATIVES = [
  ['telnyx', { bearer: 'stream-auth-token', encoding: 'L16', rate: 16000 }, { encode: (pcm) => pcmBytes(pcm, { bigEndian: true }) }, 16000],
  ['signalwire', { bearer: 'bearer-token', encoding: 'audio/x-L16', rate: 16000 }, L16, 16000],
  ['plivo', PAIR, L16, 8000],
  ['exotel', PAIR, L16, 8000],
];
for (const [dialect, opts, { encode }, rate] of RELATIVES)
  test(`${dialect}: the same`, async () => {
    const { call, client, end } = await stream(dialect, opts);
    const asked = [Date.now()];
    await play(call, encode(tone(440, 2000, { rate })), 'said');
    assert.equal((await marked(call, 'said')).name, 'played');
    await silence(client);
    const long = 60000 * 8000 / rate;
    asked.push(Date.now());
    await play(call, encode(tone(440, long, { rate })));
    await until('a second of it', () => client.playout.waitingMs && client.playout.waitingMs < long - 1000);
    const clears = [0, Date.now()];
    await clear(call);
    await until('it is cleared', () => client.playout.waitingMs === 0);
    await end();
    assert.deepEqual(legs(call).map((f) => [f.leg, f.speaker, f.value]), [[0, 'user', rate], [1, 'ai', rate]]);
    const recording = await recorded(call);
    same(loud(recording, 'right'), client.playout.played, asked, clears);
    assert.deepEqual(loud(recording, 'left'), []);
    assert.deepEqual(client.complaints, []);
  });

test('where the platform sends both sides itself, what we play is not there twice', async () => {
  const { call, client, end } = await stream('telnyx', { bearer: 'stream-auth-token', tracks: ['inbound', 'outbound'] });
  client.sendFrame(Buffer.alloc(160, 0xff), 'outbound');
  await until('its other side', () => legs(call).length === 2);
  await play(call, seconds(1), 'm');
  await marked(call, 'm');
  await end();
  assert.equal(legs(call).length, 2);
  assert.deepEqual(loud(await recorded(call), 'right'), [], 'what it does not send was not said');
});
