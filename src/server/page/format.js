// Values as people read them. What is not there is a dash.

const NONE = "–";
const isMissing = (x) => x === null || x === undefined || Number.isNaN(x);
const number = (x, digits = 0) =>
  x.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Two digits behind the point; below ten cents, two that say something. */
export function dollars(x) {
  if (isMissing(x)) return NONE;
  if (x === 0) return "$0";
  if (Math.abs(x) >= 0.1) return `$${number(x, 2)}`;
  const digits = Math.min(1 - Math.floor(Math.log10(Math.abs(x))), 8);
  return `$${x.toFixed(digits)}`;
}

export const count = (n) => (isMissing(n) ? NONE : number(n));

export function bytes(n) {
  if (isMissing(n)) return NONE;
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  for (; n >= 1000 && at < units.length - 1; at++) n /= 1000;
  return `${number(n, at > 0 && n < 10 ? 1 : 0)} ${units[at]}`;
}

/** ms: "0.42 s", "12 s", "3 min 05 s", "2 h 07 min", "3 d 4 h". */
export function duration(ms) {
  if (isMissing(ms) || ms < 0) return NONE;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${number(ms / 1000, 1)} s`;
  const seconds = Math.round(ms / 1000), two = (n) => String(n).padStart(2, "0");
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  return `${number(Math.floor(minutes / 1440))} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** "just now", "5 min ago", "yesterday 14:02", "3 Nov 14:02". */
export function ago(iso) {
  if (isMissing(iso)) return NONE;
  const then = new Date(iso), now = new Date(), ms = now - then;
  if (ms < 60e3) return "just now";
  if (ms < 3600e3) return `${Math.floor(ms / 60e3)} min ago`;
  if (then.toDateString() === now.toDateString()) return `${Math.floor(ms / 3600e3)} h ago`;
  const time = then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (then.toDateString() === new Date(now - 86400e3).toDateString()) return `yesterday ${time}`;
  const year = then.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return `${then.toLocaleDateString("en-GB", { day: "numeric", month: "short", year })} ${time}`;
}

/** The moment in full, local time: "2026-11-24 14:02:05". */
export const clock = (iso) => (isMissing(iso) ? NONE : new Date(iso).toLocaleString("sv-SE"));

/** x: a share of 1. A share that is not all never reads as 100 %. */
export function percent(x) {
  if (isMissing(x)) return NONE;
  const digits = x > 0 && x < 1 && (x < 0.01 || x > 0.99) ? 1 : 0;
  const shown = x < 1 && x > 0.999 ? 0.999 : x;
  return `${number(shown * 100, digits)}\u202f%`;
}

export const score = (x) => (isMissing(x) ? NONE : number(x, Number.isInteger(x) ? 0 : 1));
