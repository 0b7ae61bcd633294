// How fast something goes, from counts that are noted while it does.

const WINDOW_MS = 30000;

/** note(done) as it changes, perMinute() over the last half minute: null before that can be told. */
export function follow() {
  const seen = [];    // [ms, done], oldest first
  return {
    note(done, now = performance.now()) {
      const last = seen.at(-1);
      if (last && done < last[1]) seen.length = 0;
      seen.push([now, done]);
      while (seen.length > 2 && seen[1][0] < now - WINDOW_MS) seen.shift();
    },
    perMinute() {
      if (seen.length < 2) return null;
      const [from, before] = seen[0], [to, done] = seen.at(-1);
      return to - from < 1000 ? null : (done - before) / (to - from) * 60e3;
    },
  };
}
