// What the demo shows: steps with the command to do them oneself, and the calls' transcripts as they are spoken.
const COLOURS = [36, 33, 35, 32, 34, 31, 96, 93];

export class Screen {
  constructor(out) {
    this.out = out;
    this.names = new Map(); // our call id → scenario
  }

  #paint(colour, text) {
    return this.out.isTTY ? `\x1b[${colour}m${text}\x1b[0m` : text;
  }

  #line(text = '') {
    this.out.write(`${text}\n`);
  }

  step(title, how) {
    this.#line();
    this.#line(this.#paint(1, `▸ ${title}`));
    this.#line(`  do it yourself: ${how}`);
  }

  observed(what) {
    this.#line(this.#paint(32, `  ✓ ${what}`));
  }

  passedOver(why) {
    this.#line(this.#paint(33, `  – passed over: ${why}`));
  }

  failed(why) {
    this.#line(this.#paint(31, `  ✗ ${why}`));
  }

  nameOf(callId) {
    return this.names.get(callId);
  }

  // Prints what a watcher gets, from its event number `since` on. Customers' numbers tell the scenarios apart.
  follow(live, calls, since = 0) {
    const byNumber = new Map(calls.map((call) => [call.scenario.customer?.number, call.scenario.name]));
    const show = (event) => {
      if (event.type === 'call.started')
        this.names.set(event.call_id, byNumber.get(event.data.customer?.number));
      const name = this.names.get(event.call_id);
      const line = name && LINES[event.type]?.(event);
      if (line)
        this.#line(`  ${this.#paint(COLOURS[[...byNumber.values()].indexOf(name) % COLOURS.length], name.padEnd(14))} ${line}`);
    };
    live.onEvent = show;
    live.events.slice(since).forEach(show);
  }

  summary(steps) {
    this.#line();
    for (const { title, ok, error, passedOver } of steps)
      this.#line(`  ${passedOver ? this.#paint(33, 'passed over ') : ok ? this.#paint(32, 'observed    ') : this.#paint(31, 'NOT OBSERVED')} ${title}${error ? ` (${error})` : ''}`);
  }
}

const STANDS = { ringing: 'rings', talking: 'talks', held: 'is on hold', parked: 'is parked', left: 'has left', moved: 'was handed on' };
export const partyLine = ({ data }) => `${data.name ?? data.number ?? data.party_id} (${data.side}) ${STANDS[data.state]}`;

const LINES = {
  'transcript.final': (e) => `${e.speaker === 'ai' ? 'assistant' : 'caller   '}  ${e.text}`,
  'call.status': (e) => `· ${e.data.status}`,
  'tool.requested': (e) => `· tool ${e.data.name} ${JSON.stringify(e.data.arguments)}`,
  'tool.finished': (e) => `· tool ${e.data.name} ${e.data.success ? 'succeeded' : `failed: ${e.data.error}`}`,
  'interruption': () => '· the caller interrupts',
  'signal': (e) => `· signal ${e.data.signal} ${e.data.state} (${e.data.score})`,
  'sentiment': (e) => `· ${e.speaker || 'call'} is ${e.data.sentiment}`,
  'command': (e) => `· command ${e.data.verb}: ${e.data.state}`,
  'party': (e) => (e.data.late || e.data.code === 'Proceeding' ? null : `· ${partyLine(e)}`),
  'audio.attached': (e) => (e.data.who ? `· ${e.data.who} can be heard` : null),
  'audio.held': (e) => (e.speaker === 'user' ? `· the customer is ${e.data.held ? 'on hold' : 'taken back'}` : null),
  'message': (e) => (e.data.message_id ? `${e.speaker === 'ai' ? 'agent    ' : 'customer '}  ${e.text}` : null),
  'text.delivery': (e) => `· the text is ${e.data.state}`,
  'fact': (e) => (e.data.state === 'captured' ? `· captured ${e.data.label ?? e.data.field}: ${e.data.value}` : null),
  'call.ended': (e) => `· ended: ${e.data.reason}`,
};
