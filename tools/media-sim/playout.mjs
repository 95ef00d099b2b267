// What a platform does with audio that is sent to it: plays it at its own pace, however fast it came, gives marks back when everything
// before them was played (at once when nothing waits), and all of them when it is told to clear. Time runs `speed` times faster.
export class Playout {
  // `onMark(name, how)`: how is played or cleared.
  constructor({ speed = 1, onMark = () => {} } = {}) {
    this.speed = speed;
    this.onMark = onMark;
    this.pending = []; // marks, oldest first
    this.until = 0; // when what waits is played
    this.playedMs = 0; // of audio, heard or to be heard
    this.clearedMs = 0;
  }

  audio(ms) {
    this.until = Math.max(this.until, performance.now()) + ms / this.speed;
    this.playedMs += ms;
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
    this.playedMs -= this.waitingMs;
    this.clearedMs += this.waitingMs;
    this.until = 0;
    for (const mark of [...this.pending])
      this.#give(mark, 'cleared');
  }

  close() {
    this.pending.forEach((mark) => clearTimeout(mark.timer));
    this.pending = [];
  }
}
