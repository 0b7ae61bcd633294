// The server's API. Everything resolves to the parsed JSON, or rejects with an ApiError.

export class ApiError extends Error {
  /** status 0: there was no reply. code: the word for programs; details: [{path, reason}]. */
  constructor(status, { error, message, details, retryAfter }) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = error;
    this.details = details ?? [];
    this.retryAfter = retryAfter;
  }
}

function address(path, query) {
  const parameters = new URLSearchParams();
  const pairs = query instanceof URLSearchParams ? query : Object.entries(query ?? {});
  for (const [name, value] of pairs) {
    if (value !== null && value !== undefined && value !== "") parameters.set(name, value);
  }
  return parameters.size > 0 ? `${path}?${parameters}` : path;
}

async function request(method, path, { query, body, headers, signal } = {}) {
  let reply;
  const options = { method, headers: { Accept: "application/json", ...headers }, signal };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  try {
    reply = await fetch(address(path, query), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { error: "unreachable", message: "the server does not answer; is `confab serve` running?" });
  }
  const json = await reply.json().catch(() => ({}));
  if (reply.ok) return json;
  if (reply.status === 401 && path !== "/api/session") window.dispatchEvent(new Event("unauthorised"));
  throw new ApiError(reply.status, {
    error: json.error ?? "error", message: json.message ?? reply.statusText, details: json.details,
    retryAfter: json.retryAfter,
  });
}

/** query: an object or URLSearchParams; what is empty is left out. options: {signal}. */
export const get = (path, query, options) => request("GET", path, { query, ...options });

/** Without a body for paths that take none. */
export const post = (path, body, headers) => request("POST", path, { body, headers });
export const patch = (path, body) => request("PATCH", path, { body });
export const remove = (path) => request("DELETE", path);
