// How long a simulated server lets others wait; it does not outlive a server that was closed meanwhile.
export const dawdle = (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref());

// Waiting for a condition with a deadline: the only way tests wait. `fatal` tells which errors make waiting pointless.
export async function until(what, condition, { timeoutMs = 15000, everyMs = 25, fatal = () => false } = {}) {
  const deadline = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      last = await condition();
      if (last)
        return last;
    } catch (error) {
      if (fatal(error))
        throw error;
      last = error;
    }
    if (Date.now() > deadline)
      throw new Error(`not within ${timeoutMs} ms: ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last)?.slice(0, 600)}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
