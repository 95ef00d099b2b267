// What a platform does with audio that is sent to it: plays it at its own pace, however fast it came, gives marks back when everything
// before them was played (at once when nothing waits), and all of them when it is told to clear. Time runs `speed` times faster.
export class Playout {
  // `onMark(name, how)`: how is played or cleared. `delayMs`: what comes after a pause is begun so much later, as behind a long road.
  constructor({ speed = 1, delayMs = 0, onMark = () => {} } = {}) {
    this.speed = speed;
    this.delayMs = delayMs;
    this.onMark = onMark;
    this.pending = []; // marks, oldest first
    this.until = 0; // when what waits is played
    this.pieces = []; // {from, until}: played, or to be played
    this.clearedMs = 0;
  }

  audio(ms) {
    const now = performance.now();
    const from = this.until > now ? this.until : now + this.delayMs / this.speed;
    this.until = from + ms / this.speed;
    this.pieces.push({ from, until: this.until });
  }

  // Of audio, heard or to be heard.
  get playedMs() {
    return this.pieces.reduce((sum, piece) => sum + piece.until - piece.from, 0) * this.speed;
  }

  // When it was played: [from, until] in ms since 1970, what is back to back as one.
  get played() {
    const out = [];
    for (const { from, until } of this.pieces)
      if (out.length && from - out.at(-1)[1] < 1)
        out.at(-1)[1] = until;
      else
        out.push([from, until]);
    return out.map((piece) => piece.map((at) => at + performance.timeOrigin));
  }

  get waitingMs() {
    return Math.max(0, this.until - performance.now()) * this.speed;
  }

  mark(name) {
    const mark = { name };
    this.pending.push(mark);
    if (this.waitingMs === 0 && this.pending.length === 1)
      this.#give(mark, 'played');
    else
      mark.timer = setTimeout(() => this.#give(mark, 'played'), Math.max(0, this.until - performance.now()));
  }

  #give(mark, how) {
    clearTimeout(mark.timer);
    this.pending.splice(this.pending.indexOf(mark), 1);
    this.onMark(mark.name, how);
  }

  clear() {
    const now = performance.now();
    const before = this.playedMs;
    this.pieces = this.pieces.filter(({ from }) => from < now).map(({ from, until }) => ({ from, until: Math.min(until, now) }));
    this.clearedMs += before - this.playedMs;
    this.until = 0;
    for (const mark of [...this.pending])
      this.#give(mark, 'cleared');
  }

  close() {
    this.pending.forEach((mark) => clearTimeout(mark.timer));
    this.pending = [];
  }
}
