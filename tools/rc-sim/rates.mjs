// Budgets of requests: a sliding window per user and group; who goes beyond it is in penalty, which begins again with every request sent during it.
import { ApiError } from './errors.mjs';

export const DEFAULT_LIMITS = { Light: 50, Medium: 40, Heavy: 10, Auth: 5, RingCX: 120, RingCXAuth: 5, RingCXMetadata: 3, windowMs: 60000, penaltyMs: 60000 };

export class Rates {
  // `limits`: of DEFAULT_LIMITS, those that differ. `onViolation(group, user)`: somebody asked during a penalty.
  constructor(limits = {}, onViolation = () => {}) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.onViolation = onViolation;
    this.windows = new Map();
    this.penalties = 0; // begun
    this.violations = 0; // requests sent during one
  }

  // Headers of the answer; throws 429.
  take(user, group) {
    const limit = this.limits[group];
    const name = `${user}/${group}`;
    if (!this.windows.has(name))
      this.windows.set(name, { times: [], until: 0 });
    const window = this.windows.get(name);
    const now = Date.now();
    window.times = window.times.filter((at) => at > now - this.limits.windowMs);
    if (window.until > now) {
      this.violations++;
      this.onViolation(group, user);
      throw this.#penalty(window, group, now);
    }
    if (window.times.length >= limit) {
      this.penalties++;
      throw this.#penalty(window, group, now);
    }
    window.times.push(now);
    return this.#headers(group, limit - window.times.length);
  }

  #headers(group, remaining) {
    return { 'X-Rate-Limit-Group': group.toLowerCase(), 'X-Rate-Limit-Limit': String(this.limits[group]), 'X-Rate-Limit-Remaining': String(remaining),
      'X-Rate-Limit-Window': String(Math.ceil(this.limits.windowMs / 1000)) };
  }

  #penalty(window, group, now) {
    window.until = now + this.limits.penaltyMs;
    return new ApiError(429, 'CMN-301', 'Request rate exceeded', { headers: { ...this.#headers(group, 0), 'Retry-After': String(Math.ceil(this.limits.penaltyMs / 1000)) } });
  }

  forget() {
    this.windows.clear();
  }
}
