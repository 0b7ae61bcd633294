// What happens in all runs, as it happens: one WebSocket for the page, opened with the first watcher.

const FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 15000;

const listeners = new Set();
let socket = null, lastId = null, wait = FIRST_WAIT_MS, timer = 0, live = false;

function tell(event) {
  for (const listener of [...listeners]) listener(event);
}

function setLive(is) {
  if (live === is) return;
  live = is;
  window.dispatchEvent(new Event("live"));
  tell({ id: null, run: null, type: is ? "connected" : "disconnected", data: {} });
}

function open() {
  clearTimeout(timer);
  const url = new URL("/api/events", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  if (lastId !== null) url.searchParams.set("lastEventId", lastId);
  const own = socket = new WebSocket(url);
  own.onopen = () => { wait = FIRST_WAIT_MS; setLive(true); };
  own.onmessage = (message) => {
    const event = JSON.parse(message.data);
    if (event.id !== null) lastId = event.id;
    tell(event);
  };
  own.onclose = () => {
    if (socket !== own) return;
    socket = null;
    setLive(false);
    if (listeners.size > 0) timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  };
}

/** Calls listener({id, run, type, time, data}) for each event until the function that it returns is
 * called. Beside the server's types there are "connected" and "disconnected": after the first of them
 * it is time to read again what is shown. */
export function watch(listener) {
  listeners.add(listener);
  if (socket === null) open();
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) clearTimeout(timer);
  };
}

/** Whether events arrive at present. Changes are told to the window as "live". */
export const isLive = () => live;

/** Tries at once instead of after the wait: after the log-in, when the machine is back. */
export function reconnect() {
  if (socket === null && listeners.size > 0) { wait = FIRST_WAIT_MS; open(); }
}
