// What both views show.

import { el, link } from "./dom.js";
import { ago, exactly, time } from "./words.js";

export const SIGNS = { fresh: "✓", late: "◷", failing: "✕", misconfigured: "!", disabled: "–", new: "○" };

export function badge(state) {
  return el("span", { class: `badge ${state}` }, el("span", { "aria-hidden": "true" }, `${SIGNS[state]} `), state);
}

export function ongoingBadge(source) {
  if (source.ongoing === null) return null;
  return el("span", { class: "badge ongoing" }, el("span", { "aria-hidden": "true" }, "▶ "), source.ongoing.state);
}

/** An instant as people say it, with the exact time for those who ask. */
export function when(instant) {
  if (instant === null || instant === undefined || Number.isNaN(time(instant))) return el("span", { class: "quiet" }, "never");
  return el("time", { datetime: new Date(time(instant)).toISOString(), title: exactly(instant) }, ago(instant));
}

export function runAddress(dagId, runId) {
  return new URL(`../dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`, document.baseURI).href;
}

export function dagAddress(dagId) {
  return new URL(`../dags/${encodeURIComponent(dagId)}`, document.baseURI).href;
}

export function lastRun(source) {
  const run = source.runs[0];
  if (run === undefined) return el("span", { class: "quiet" }, "never");
  return [link(runAddress(source.dagId, run.dag_run_id), when(run.start_date ?? run.run_after)), ` ${run.state}`];
}

export function nextRun(source) {
  if (source.dag.timetable_summary === null) return el("span", { class: "quiet" }, "by hand only");
  if (source.nextRun === null) return el("span", { class: "quiet" }, source.dag.is_paused ? "paused" : "not planned");
  return time(source.nextRun) < Date.now() ? "due" : when(source.nextRun);
}

export function notice(kind, title, ...rest) {
  return el("div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : null }, el("strong", {}, title), rest.map((one) => el("p", {}, one)));
}
