// The platform's clock: time runs `speed` times faster than ours, from `startAt`. What is due runs in the order of its times, and while it runs the clock
// stands at the time it was due, so that the same script gives the same times at every speed. At speed 0 it only moves by advance().
export class Clock {
  // startAt: default now; at more than human speed an hour ago, so that what is told lies in the past for a while.
  constructor({ speed = 1, startAt, skewMs = 0 } = {}) {
    this.speed = speed;
    this.startAt = (startAt ?? Date.now() - (speed > 1 ? 3600000 : 0)) + skewMs;
    this.origin = performance.now();
    this.queue = []; // {due, order, action}, soonest first
    this.order = 0;
    this.latest = this.startAt;
  }

  // Epoch ms; never goes back.
  now() {
    this.latest = Math.max(this.latest, this.standing ?? this.#running());
    return this.latest;
  }

  #running() {
    return Math.floor(this.startAt + (performance.now() - this.origin) * this.speed);
  }

  // Gives a function that takes it back.
  after(ms, action) {
    return this.when((this.standing ?? this.now()) + ms, action);
  }

  when(due, action) {
    const item = { due, order: this.order++, action };
    const at = this.queue.findIndex((other) => other.due > item.due);
    this.queue.splice(at < 0 ? this.queue.length : at, 0, item);
    this.#wake();
    return () => {
      const i = this.queue.indexOf(item);
      if (i >= 0)
        this.queue.splice(i, 1);
    };
  }

  #wake() {
    clearTimeout(this.timer);
    if (this.queue.length && this.standing === undefined && this.speed > 0)
      this.timer = setTimeout(() => this.catchUp(), Math.max(0, (this.queue[0].due - this.#running()) / this.speed));
  }

  // Runs all that is due; whoever looks at the platform from outside calls this first.
  catchUp() {
    if (this.standing !== undefined)
      return;
    const now = this.#running();
    while (this.queue.length && this.queue[0].due <= now) {
      const item = this.queue.shift();
      this.#stand(Math.max(item.due, this.latest), item.action);
    }
    this.#wake();
  }

  advance(ms) {
    this.startAt += ms;
    this.catchUp();
  }

  // Does it now, all at one time, after what was due before.
  at(action) {
    this.catchUp();
    try {
      return this.standing === undefined ? this.#stand(this.now(), action) : action();
    } finally {
      this.#wake();
    }
  }

  #stand(time, action) {
    this.standing = time;
    this.latest = time;
    try {
      return action();
    } finally {
      this.standing = undefined;
    }
  }

  stop() {
    clearTimeout(this.timer);
    this.queue = [];
  }
}

export const iso = (ms) => new Date(ms).toISOString();
