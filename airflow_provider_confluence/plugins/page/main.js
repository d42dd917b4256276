// Chooses what the page shows by its address, and keeps it up to date.
//
//   ./                        all datasources
//   ./?datasource=<id>        one of them
//   ./?dag_id=<id>            the one of a DAG (a tab in Airflow), with &run_id=<id> seen from one of its runs

import { actions } from "./actions.js";
import { mayStart } from "./api.js";
import { readAll, readOne } from "./datasources.js";
import { detail, heading, standing } from "./detail.js";
import { el, link, say } from "./dom.js";
import { overview } from "./overview.js";
import { notice } from "./parts.js";
import { followTheme } from "./theme.js";

const QUIET_MS = 30_000;
const BUSY_MS = 3_000;
// Each datasource costs two requests: of so many, what is under way is not followed any faster.
const MANY = 50;
// Airflow is left alone for so many times as long as the last look at it took.
const REST = 5;

const page = document.getElementById("page");
const query = new URLSearchParams(location.search);
const dagId = query.get("dag_id");
const runId = query.get("run_id");
const id = query.get("datasource");

const first = el("div", { class: "content" });
const content = el("div", { class: "content" });
const updated = el("span", { class: "quiet" });
const refresh = el("button", { type: "button", class: "plain", onclick: () => show({ asked: true }) }, "Refresh");
let timer = null;
let looking = false;
let lookAgain = null;
let busyUntil = 0;
let built = false;
let allowed = false;
let controls = null;

/** Shows how everything stands now; never twice at a time, however often it is asked for. */
async function show({ asked = false } = {}) {
  if (looking) {
    lookAgain = { asked: asked || lookAgain?.asked };
    return;
  }
  looking = true;
  clearTimeout(timer);
  page.setAttribute("aria-busy", "true");
  const begun = performance.now();
  let busy = false;
  try {
    busy = dagId === null && id === null ? await showAll() : await showOne();
    updated.textContent = `Updated at ${new Date().toLocaleTimeString("en")} `;
    if (asked) say("Updated.");
  } catch (error) {
    showError(error);
    console.debug(error);
  }
  page.setAttribute("aria-busy", "false");
  looking = false;
  if (lookAgain !== null) {
    const next = lookAgain;
    lookAgain = null;
    show(next);
    return;
  }
  const pause = busy || Date.now() < busyUntil ? BUSY_MS : QUIET_MS;
  timer = setTimeout(() => (document.hidden ? null : show()), Math.max(pause, REST * (performance.now() - begun)));
}

async function showAll() {
  const sources = await readAll();
  if (!built) build(el("header", { class: "heading" }, el("h1", {}, "Confluence")));
  replace(overview(sources));
  return sources.length <= MANY && sources.some((source) => source.ongoing !== null);
}

async function showOne() {
  const source = await readOne({ id, dagId });
  if (source === null) {
    if (!built) build(null);
    replace(dagId === null ? unknown() : stranger());
    return false;
  }
  const embedded = dagId !== null;
  document.title = `${source.name} – Confluence`;
  if (!built) {
    allowed = await mayStart(source.dagId);
    controls = actions(source, allowed, watch);
    build(heading(source, { embedded }), ...controls.areas);
  }
  controls.update(source);
  // Before its first run is over a datasource has no name but its id.
  page.querySelector("h1").textContent = source.name;
  fill(first, standing(source, { runId }));
  replace(detail(source, { allowed }));
  return source.ongoing !== null;
}

function watch() {
  busyUntil = Date.now() + 20_000;
  show();
}

function build(head, ...rest) {
  page.replaceChildren(
    ...[head, el("p", { class: "updated" }, updated, refresh), first, ...rest, content].filter((one) => one !== null),
  );
  built = true;
}

function replace(children) {
  const held = document.activeElement;
  // Whoever reads with the keyboard must not be thrown out of what they read; the next time will do.
  if (content.contains(held) && held !== document.body && content.childElementCount > 0 && !content.querySelector(".load-error")) return;
  const open = document.getElementById("numbers")?.open ?? false;
  fill(content, children);
  const numbers = document.getElementById("numbers");
  if (numbers !== null) numbers.open = open;
}

function fill(area, children) {
  area.replaceChildren(...[children].flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
}

function unknown() {
  return el(
    "div",
    { class: "empty" },
    el("h1", {}, "No such datasource"),
    el("p", {}, `There is no datasource ${id}, or you may not read its DAG.`),
    el("p", {}, el("a", { href: "./" }, "All datasources")),
  );
}

function stranger() {
  return el(
    "div",
    { class: "empty" },
    el("h1", {}, "This DAG has nothing to do with Confluence"),
    el("p", {}, "And that is fine. DAGs that keep a search index true to Confluence show here how their index stands."),
    el("p", {}, link(new URL("../plugin/confluence", document.baseURI).href, "All datasources")),
  );
}

function showError(error) {
  const old = content.childElementCount > 0 && !content.querySelector(".load-error");
  if (!built) build(el("header", { class: "heading" }, el("h1", {}, "Confluence")));
  const box = el("div", { class: "load-error" }, notice("bad", "This could not be loaded.", error.message));
  if (old) content.prepend(box);
  else content.replaceChildren(box);
  content.querySelectorAll(".load-error").forEach((one) => one !== box && one.remove());
}

document.addEventListener("visibilitychange", () => (document.hidden ? null : show()));
followTheme();
show();
