// RingCentral's part of the demo, beside Vapi's calls: a call of several parties (IVR, queue, an agent who holds and transfers it) and a text with its answer,
// told over the gateway; and a talk of the contact centre, whose sound comes over gRPC.
import { until } from '../lib/wait.mjs';
import { RingCentralSim } from '../rc-sim/index.mjs';
import { grpcTools } from '../rc-sim/grpc.mjs';
import { partyLine } from './screen.mjs';
import { bar, hasMoved, levelsOf, recordingOf } from './sound.mjs';

const CREDENTIALS = { clientId: 'demo-client', clientSecret: 'demo-ringcentral-secret', jwt: 'demo-ringcentral-jwt' };
const CENTRE = { user: 'ringcx', password: 'demo-ringcx-password' };
const OUR_NUMBER = '+15550107101'; // Ann's: texts come to it, and are answered from it
const NAMES = { user: 'customer', ai: 'agent' };

// People as `callmend watch` shows them: by their numbers.
const FOLLOWED = { ringex: '+15550100021', text: '+15550100022', ringcx: '+15550100023' };

const CALL = [{ inbound: true }, { ivr: 'menu' }, { wait: 2500 }, { queue: 'support' }, { wait: 2500 }, { ring: 'ann' }, { wait: 2500 }, { answer: 'ann' },
  { say: ['customer', 'Hello, may I bring a dog?'] }, { hold: 'ann' }, { wait: 4000 }, { unhold: 'ann' }, { say: ['ann', 'You may, Bob will find you a place.'] },
  { transfer: ['ann', 'bob'] }, { wait: 3000 }, { answer: 'bob' }, { say: ['bob', 'This is Bob, the terrace is yours at eight.'] },
  { say: ['customer', 'Wonderful, goodbye.'] }, { hangup: 'customer' }];
const TALK = [{ say: ['ann', 'Sakura Table, Ann speaking. How may I help you?'] }, { wait: 300 }, { say: ['customer', 'I have a question about the bill of last night.'] },
  { hold: 3000 }, { say: ['ann', 'Thank you for waiting. I will put you through to Bob.'] }, { transfer: ['ann', 'bob'] },
  { say: ['bob', 'This is Bob. I see it here, we will put it right.'] }, { wait: 300 }, { say: ['customer', 'Thank you very much, goodbye.'] }];
const QUESTION = 'Hi, is there still a table for four tonight?';
const ANSWER = 'Yes, at eight. Shall I keep it for you?';

export class RingCentralPlay {
  static secrets = { 'demo-ringcentral': CREDENTIALS.clientSecret, 'demo-ringcentral-jwt': CREDENTIALS.jwt, 'demo-ringcx': CENTRE.password };

  // grpcPort: of the product. Nothing is played before setUp().
  constructor({ node, step, curl, live, screen, patience, speed, grpcPort }) {
    Object.assign(this, { node, step, curl, live, screen, patience, grpcPort });
    const { clientId, clientSecret, jwt } = CREDENTIALS;
    this.sim = new RingCentralSim({ speed, seed: Date.now() % 2 ** 31, oauth: { clientId, clientSecret, jwts: { [jwt]: 'ann' } } });
    this.followed = Object.entries(FOLLOWED).map(([name, number]) => ({ scenario: { name, customer: { number } } }));
  }

  close() {
    return this.sim.close();
  }

  // Says why there is no sound over gRPC, if so.
  static #missing() {
    try {
      grpcTools();
      return null;
    } catch (error) {
      return error.message;
    }
  }

  // A step that is of use only when gRPC can be spoken here.
  #audioStep(title, how, action) {
    const missing = RingCentralPlay.#missing();
    return this.step(title, how, missing ? () => { throw Object.assign(new Error(missing), { passedOver: true }); } : action);
  }

  #events(name, type, match = () => true) {
    return this.live.events.filter((e) => e.type === type && this.screen.nameOf(e.call_id) === name && match(e));
  }

  #seen(what, name, type, match) {
    return until(what, () => this.#events(name, type, match)[0], this.patience);
  }

  #id(name) {
    return this.#events(name, 'call.started')[0]?.call_id;
  }

  // ensure: as of the demo, finds what an earlier run has made.
  setUp(project, ensure) {
    return this.step('RingCentral: a source for calls and texts, with a session over the gateway; one for the contact centre, whose sound comes over gRPC',
      this.curl('GET', '/api/v1/sources'), async () => {
        await this.sim.listen();
        const source = (wanted) => ensure(this.node, '/api/v1/sources', '/api/v1/sources', { ...wanted, project_id: project.id });
        const { id } = await source({ name: 'ringcentral', dialect: 'ringcentral', api_base: this.sim.platformUrl, connect: { client_id: CREDENTIALS.clientId,
          client_secret: { file: 'demo-ringcentral' }, jwt: { file: 'demo-ringcentral-jwt' }, events: 'websocket', from_number: OUR_NUMBER } });
        await source({ name: 'ringcx', dialect: 'ringcx', auth: [{ type: 'basic', user: CENTRE.user, secret: { file: 'demo-ringcx' } }] });
        await until('the session is live', async () => {
          const { session } = await this.node.api('GET', `/api/v1/sources/${id}`);
          return session?.state === 'live' && this.sim.gateway.open.length === 1;
        }, this.patience);
        return `the session is live; RingCX streams to 127.0.0.1:${this.grpcPort}, in the clear`;
      });
  }

  // All three at once, beside whatever runs.
  begin() {
    this.call = this.sim.startCall({ script: CALL, customer: { number: FOLLOWED.ringex, name: 'Dora Quint' } });
    this.sim.sms({ from: FOLLOWED.text, text: QUESTION, name: 'Emil Roth' });
    if (RingCentralPlay.#missing())
      return;
    const people = { customer: { id: FOLLOWED.ringcx, type: 'CONTACT', name: 'Customer', voice: 'en-us' } };
    this.dialog = this.sim.ringcx.start({ script: TALK, people, ani: FOLLOWED.ringcx }, { kind: 'grpc', url: `127.0.0.1:${this.grpcPort}`, speed: 1, // it is heard as it is
      metadata: { authorization: `Basic ${Buffer.from(`${CENTRE.user}:${CENTRE.password}`).toString('base64')}` } });
  }

  arrived() {
    return this.step('RingCentral\'s calls come in beside Vapi\'s', `callmend watch --url ${this.node.url}   (column BY tells them apart)`, async () => {
      await Promise.all(['ringex', 'text', ...(this.dialog ? ['ringcx'] : [])].map((name) => this.#seen(`${name} has begun`, name, 'call.started')));
      const { sources } = await this.node.api('GET', '/api/v1/sources');
      const begun = this.live.events.filter((e) => e.type === 'call.started').map((e) => e.data.source_id);
      return sources.map(({ id, name, dialect }) => [begun.filter((b) => b === id).length, name, dialect]).filter(([n]) => n)
        .map(([n, name, dialect]) => `${n} of ${name} (${dialect})`).join(', ');
    });
  }

  // steer: sends a command and waits for its effect.
  text(steer) {
    const body = { verb: 'send-text', text: ANSWER };
    return this.step('A text is answered', this.curl('POST', `/api/v1/calls/${this.#id('text') ?? '{id}'}/commands`, body), async () => {
      await this.#seen('the text', 'text', 'message', (e) => e.text === QUESTION);
      await steer(`/api/v1/calls/${this.#id('text')}/commands`, body);
      const states = () => this.#events('text', 'text.delivery').map((e) => e.data.state);
      await until('it is delivered', () => states().includes('delivered'), this.patience);
      return `“${ANSWER}” · ${states().join(', ')}`;
    });
  }

  levels() {
    return this.#audioStep('A talk of RingCX is heard over gRPC: levels of both sides, and who speaks', `callmend watch --url ${this.node.url}`, async () => {
      const levels = (speaker) => levelsOf(this.live, this.screen, 'ringcx', speaker);
      await this.#streams('both sides are loud at times and quiet at times', () => Object.keys(NAMES).every((speaker) =>
        hasMoved(levels(speaker)) && this.#events('ringcx', 'speech.started', (e) => e.speaker === speaker).length));
      return `ringcx   ${Object.entries(NAMES).map(([speaker, who]) => `${who} ${levels(speaker).slice(-32).map(bar).join('')}`).join('   ')}`;
    });
  }

  // Those who would wait in vain say why.
  #streams(what, condition, patience = this.patience) {
    return until(what, () => {
      const refused = this.dialog.results?.find((r) => r.code !== 0);
      if (refused)
        throw Object.assign(new Error(`the stream was ended with ${refused.code}: ${refused.details}`), { fatal: true });
      return condition();
    }, { ...patience, fatal: (error) => error.fatal });
  }

  held() {
    return this.#audioStep('... the customer waits on hold, and is put through to somebody else', this.curl('GET', `/api/v1/calls/${this.dialog?.id}/events?types=audio.held,audio.attached`), async () => {
      const held = (on) => this.#events('ringcx', 'audio.held', (e) => e.data.held === on).length > 0;
      const people = () => this.#events('ringcx', 'audio.attached').map((e) => e.data.who);
      await this.#streams('held, taken back, put through', () => held(true) && held(false) && people().includes('Bob Stone'));
      return `held and taken back; heard were ${people().join(', ')}`;
    });
  }

  parties() {
    return this.step('A call goes through IVR and queue to an agent, who holds it and transfers it', this.curl('GET', `/api/v1/calls/${this.call.id}`), async () => {
      const is = (name, state) => this.#seen(`${name} is ${state}`, 'ringex', 'party', (e) => e.data.name === name && e.data.state === state);
      for (const [name, state] of [['Ann Lee', 'talking'], ['Ann Lee', 'held'], ['Ann Lee', 'moved'], ['Bob Stone', 'talking']])
        await is(name, state);
      const told = this.#events('ringex', 'party', (e) => !e.data.late).map(partyLine);
      return told.filter((line, i) => !told.slice(0, i).includes(line) || /talks/.test(line)).join(', ');
    });
  }

  ends() {
    return this.step('RingCentral\'s calls end; who was in them is kept', this.curl('GET', `/api/v1/calls/${this.call.id}/events?types=party`), async () => {
      const names = ['ringex', ...(this.dialog ? ['ringcx'] : [])];
      await Promise.all(names.map((name) => this.#seen(`${name} has ended`, name, 'call.ended')));
      await Promise.all([this.sim.finished(), this.dialog?.done]);
      const people = await until('its parties are stored', async () => {
        const { events } = await this.node.api('GET', `/api/v1/calls/${this.call.id}/events?types=party`);
        const gone = [...new Set(events.filter((e) => ['left', 'moved'].includes(e.data.state)).map((e) => e.data.party_id))];
        return gone.length === this.call.session.parties.length && gone;
      });
      if (this.sim.violations.length)
        throw new Error(`RingCentral complains: ${JSON.stringify(this.sim.violations)}`);
      return `${names.map((name) => `${name}: ${this.#events(name, 'call.ended')[0].data.reason}`).join(', ')}; ringex had ${people.length} parties`;
    });
  }

  recording() {
    return this.#audioStep('The talk over gRPC is recorded', this.curl('GET', `/api/v1/calls/${this.dialog?.id}/recordings`), async () => {
      const found = await recordingOf(this.node, this.dialog.id, 'ringcx');
      return `ringcx ${(found.duration_ms / 1000).toFixed(1)} s, the hold as silence: ${this.node.url}/api/v1/recordings/${found.id}/audio`;
    });
  }
}
