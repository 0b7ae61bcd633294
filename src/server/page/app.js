// The frame: which view is shown, the log-in, the theme, the state of the live connection.

import { post, remove } from "./api.js";
import { h, notice, replace } from "./dom.js";
import { bind, showHelp } from "./keys.js";
import { isLive, reconnect, watch } from "./live.js";
import * as runs from "./runs.js";

const views = {
  runs: async () => runs,
  run: () => import("./run.js"),
  conversations: () => import("./conversations.js"),
  templates: () => import("./templates.js"),
  compare: () => import("./compare.js"),
  playground: () => import("./playground.js"),
};

const main = document.getElementById("view");
let current = { key: null, view: null };    // what is shown; view: what its show() gave
let turn = 0;                               // a view that comes too late is not shown
let asksForToken = false, watches = false;

/** "#/runs/ID?state=failed" as {path: ["runs", ID], query}. */
function read(hash) {
  const [path, query] = (hash.startsWith("#/") ? hash.slice(2) : "runs").split("?");
  const decode = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  return { path: path.split("/").filter(Boolean).map(decode), query: new URLSearchParams(query) };
}

function nameOf(place) {
  if (place.path[0] === "runs" && place.path.length > 1) return "run";
  return Object.hasOwn(views, place.path[0]) && place.path[0] !== "run" ? place.path[0] : "runs";
}

function mark(name) {
  const section = name === "run" ? "runs" : name;
  for (const link of document.querySelectorAll("nav [data-view]")) {
    if (link.dataset.view === section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function leave() {
  current.view?.close?.();
  current = { key: null, view: null };
}

function show(root) {
  for (const child of [...main.children]) if (child !== root) child.remove();
  root.hidden = false;
}

function failure(error, again) {
  return h("div", { class: "failure", role: "alert" },
    h("h1", { tabindex: "-1" }, error.status === 404 ? "Not found" : "This did not work"),
    h("p", null, error.message),
    h("button", { type: "button", onclick: again }, "Try again"));
}

async function go() {
  const place = read(location.hash), name = nameOf(place), key = [name, ...place.path.slice(1)].join("/");
  if (asksForToken) return;
  if (current.key === key && current.view?.update) {
    await Promise.resolve(current.view.update(place)).catch((error) => notice(error.message));
    return;
  }
  const own = ++turn, isFirst = main.childElementCount === 0;
  const root = h("div", { class: `view view-${name}`, hidden: true });
  leave();
  mark(name);
  main.append(root);
  main.setAttribute("aria-busy", "true");
  let view = null, title = "confab";
  try {
    const module = await views[name]();
    title = `${module.title} · confab`;
    view = await module.show(root, place);
  } catch (error) {
    if (own === turn && error.status !== 401) console.error(error);
    replace(root, failure(error, () => { current.key = null; go(); }));
  }
  if (own !== turn || asksForToken) {
    view?.close?.();
    root.remove();
    return;
  }
  current = { key, view };
  document.title = root.dataset.title ? `${root.dataset.title} · confab` : title;
  show(root);
  main.removeAttribute("aria-busy");
  if (!watches) watch(() => {});    // the sign in the frame is right in views that watch nothing, too
  watches = true;
  if (!isFirst) {
    scrollTo(0, 0);
    (root.querySelector("h1") ?? main).focus({ preventScroll: true });
  }
}

// --- the token ---

const LOGGED_IN = "confab-logged-in";
const logOut = document.getElementById("log-out");

async function logIn(event, field, problem) {
  event.preventDefault();
  try {
    await post("/api/session", { token: field.value });
  } catch (error) {
    problem.textContent = error.status === 401 ? "This is not the token." : error.message;
    field.setAttribute("aria-invalid", "true");
    field.select();
    return;
  }
  asksForToken = false;
  localStorage.setItem(LOGGED_IN, "yes");
  showLogOut();
  reconnect();
  go();
}

function askForToken() {
  if (asksForToken) return;
  asksForToken = true;
  turn++;
  leave();
  const problem = h("p", { id: "token-problem", class: "problem", role: "alert" });
  const field = h("input", { id: "token", type: "password", autocomplete: "current-password", required: true,
    "aria-describedby": "token-problem" });
  replace(main, h("form", { class: "log-in", onsubmit: (event) => logIn(event, field, problem) },
    h("h1", { tabindex: "-1" }, "Log in"),
    h("p", null, "This server asks for the token that it was started with: ",
      h("code", null, "--token"), " or ", h("code", null, "CONFAB_SERVE_TOKEN"), "."),
    h("label", { for: "token" }, "Token"), field, problem,
    h("button", { class: "primary" }, "Log in")));
  main.removeAttribute("aria-busy");
  document.title = "Log in · confab";
  field.focus();
}

/** The cookie is not for scripts to see, so that there is one is kept beside it. */
function showLogOut() {
  logOut.hidden = localStorage.getItem(LOGGED_IN) === null;
}

logOut.addEventListener("click", async () => {
  await remove("/api/session").catch((error) => notice(error.message));
  localStorage.removeItem(LOGGED_IN);
  location.reload();
});
window.addEventListener("unauthorised", askForToken);

// --- theme, live, keys ---

const theme = document.getElementById("theme");
const darkSystem = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (darkSystem.matches ? "dark" : "light")) === "dark";

function showTheme() {
  theme.textContent = isDark() ? "☀" : "☾";
  theme.setAttribute("aria-label", isDark() ? "Light theme" : "Dark theme");
  theme.title = theme.getAttribute("aria-label");
}

theme.addEventListener("click", () => {
  const chosen = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  localStorage.setItem("confab-theme", chosen);
  showTheme();
});
darkSystem.addEventListener("change", showTheme);

function showLive() {
  const place = document.getElementById("live");
  place.dataset.state = isLive() ? "on" : "off";
  place.textContent = isLive() ? "live" : "not live";
}

window.addEventListener("live", showLive);
document.addEventListener("visibilitychange", () => { if (!document.hidden) reconnect(); });
document.getElementById("keys").addEventListener("click", showHelp);
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });

const to = (name) => () => { location.hash = `#/${name}`; };
bind({
  "g r": ["Runs", to("runs")], "g c": ["Conversations", to("conversations")], "g t": ["Templates", to("templates")],
  "g m": ["Compare", to("compare")], "g p": ["Playground", to("playground")],
});

showTheme();
showLogOut();
window.addEventListener("hashchange", go);
go();
