// One datasource: how its index stands, what the last runs did, and what fails.

import { fillIn } from "./actions.js";
import { bars, columns } from "./charts.js";
import { el, link } from "./dom.js";
import { CHANGES, changesOf } from "./overview.js";
import { steps } from "./progress.js";
import { badge, dagAddress, lastRun, nextRun, notice, ongoingBadge, runAddress, when } from "./parts.js";
import { count, number, seconds, typeName } from "./words.js";

/** Returns the heading, which stays as it is. */
export function heading(source, { embedded }) {
  return el(
    "header",
    { class: "heading" },
    embedded ? null : el("p", { class: "back" }, el("a", { href: "./" }, "← All datasources")),
    el("h1", {}, source.name),
    el("p", { class: "quiet" }, `Datasource ${source.id}, DAG `, embedded ? source.dagId : link(dagAddress(source.dagId), source.dagId)),
  );
}

/** Returns what is to be seen first: its state and why. */
export function standing(source, { runId = null } = {}) {
  return [
    el("p", { class: "verdict" }, badge(source.state), " ", ongoingBadge(source), " ", source.why),
    source.progress === null ? null : steps(source.progress),
    source.storageLost === null ? null : notice("bad", source.storageLost.what, source.storageLost.advice ?? []),
    runId === null ? null : thisRun(source, runId),
  ];
}

/** Returns the rest of what is known of it. */
export function detail(source, { allowed }) {
  return [
    source.index.watermark === undefined ? null : [facts(source), documents(source), changes(source), effort(source)],
    failures(source, allowed),
    notes(source),
  ];
}

function section(title, ...children) {
  const id = `t-${title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  return el("section", { "aria-labelledby": id }, el("h2", { id }, title), children);
}

function facts(source) {
  const { index, settings } = source;
  const spaces = list(settings.space);
  const more = (settings.spaces ?? spaces.length) - spaces.length;
  const rows = [
    ["Last run", lastRun(source)],
    ["Next run", nextRun(source)],
    ["Shows Confluence as of", when(index.watermark)],
    ["Last looked at everything", when(index.reconciled)],
    ["Index last changed", when(source.lastChange)],
    ["Last commit", [when(index.committed), ` (${index.mode})`]],
    ["Spaces", `${spaces.join(", ")}${more > 0 ? ` and ${more} more` : ""}`],
    ["Interval", settings.interval],
    ["Goes to", `${settings.sink}: ${settings.queue}`],
    ["Site", settings.site ? link(settings.site, settings.site) : null],
    ["Left out as restricted", source.counts.restricted || null],
    ["Waiting for a next run", source.counts.pending || null],
  ];
  return section(
    "How it stands",
    el("dl", { class: "facts" }, rows.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
  );
}

function documents(source) {
  const named = Object.fromEntries(Object.entries(source.index.documents ?? {}).map(([type, many]) => [typeName(type), many]));
  return section(
    "Documents",
    el("p", {}, `${count(source.documents, "document")} in the index.`),
    source.documents > 0 ? bars(named) : null,
  );
}

function changes(source) {
  const rows = changesOf(source);
  const label = `What the last ${count(rows.length, "run")} added, changed, deleted, and could not index; the table below has the numbers`;
  return section(
    "Last runs",
    columns({ label, series: CHANGES, rows, slots: 20 }),
    table(
      "The runs in numbers",
      ["Run", "Mode", ...CHANGES.map((one) => one.label), "requests", "throttled", "problems"],
      [...rows].reverse().map(({ run, values }) => [
        run.run_id ? link(runAddress(source.dagId, run.run_id), when(run.revision)) : when(run.revision),
        run.mode,
        ...CHANGES.map(({ key }) => number(values[key])),
        number(run.requests ?? 0),
        seconds(run.throttled_seconds ?? 0),
        list(run.problems).join("; ") || "none",
      ]),
      ["text", "word", "number", "number", "number", "number", "number", "number", "text"],
    ),
  );
}

function effort(source) {
  const runs = [...source.recent].reverse();
  const draw = (key, label, value, said) =>
    el(
      "div",
      {},
      el("h3", {}, label),
      columns({
        label: `${label} of the last ${count(runs.length, "run")}; the table above has the numbers`,
        series: [{ key, label }],
        rows: runs.map((run) => ({ title: `${new Date(run.revision).toLocaleString("en")}: ${said(value(run))}`, values: { [key]: value(run) } })),
        slots: 20,
      }),
    );
  return section(
    "Requests to Confluence",
    el(
      "div",
      { class: "pair" },
      draw("requests", "Requests", (run) => run.requests ?? 0, (many) => count(many, "request")),
      draw("throttled", "Seconds held back by rate limits", (run) => run.throttled_seconds ?? 0, seconds),
    ),
  );
}

function failures(source, allowed) {
  const rows = source.failures;
  const all = source.counts.failing ?? rows.length;
  if (all === 0) return source.index.watermark === undefined ? null : section("What could not be indexed", el("p", {}, "Nothing. Every item in scope is in the index."));
  const again = allowed && el("button", { type: "button", onclick: () => fillIn(rows.map((row) => String(row.content_id))) }, "Put these ids into the field above");
  return section(
    "What could not be indexed",
    el("p", {}, `${count(all, "item")}; each run tries again.${all > rows.length ? ` ${rows.length === 1 ? "The one that failed last is" : `The ${rows.length} that failed last are`} below; airflow-confluence failures lists all.` : ""}`),
    table(
      null,
      ["Id", "Type", "Reason", "What happened", "Tries", "Since"],
      rows.map((row) => [
        failureLink(source, row),
        typeName(row.type),
        row.reason,
        row.message,
        number(row.attempts),
        row.since === undefined ? "" : when(row.since),
      ]),
      ["text", "word", "word", "text", "number", "text"],
    ),
    again,
  );
}

function failureLink(source, row) {
  const { site } = source.settings;
  const id = String(row.content_id);
  // The form of address from which both editions lead to a page.
  return site ? link(`${site}/pages/viewpage.action?pageId=${encodeURIComponent(row.page_id ?? id)}`, id) : id;
}

function notes(source) {
  const said = [...list(source.index.problems), ...list(source.index.notes)];
  const unique = [...new Set(said.map(String))];
  return unique.length === 0 ? null : section("What the last run noted", el("ul", {}, unique.map((one) => el("li", {}, one))));
}

function thisRun(source, runId) {
  const row = source.recent.find((one) => one.run_id === runId);
  const run = source.runs.find((one) => one.dag_run_id === runId);
  if (source.trouble !== null && source.trouble.run_id === runId) return notice("bad", "This run came to no commit.", String(source.trouble.message));
  if (row === undefined) {
    const said = run !== undefined && ["queued", "running"].includes(run.state)
      ? "It is under way; what it came to will stand here when it has committed."
      : "It is not among the last 20 runs that committed. Its tasks' logs say what it did.";
    return notice("plain", "This run", said);
  }
  const counts = row.counts ?? {};
  const problems = list(row.problems);
  const sentence = `${row.mode}: ${number(counts.listed ?? 0)} listed, ${number(counts.written ?? 0)} written, ${number(counts.deleted ?? 0)} deleted, `
    + `${number(counts.failed ?? 0)} failed, with ${count(row.requests ?? 0, "request")}.`;
  return notice(problems.length > 0 ? "bad" : "good", "This run", sentence, ...problems);
}

function table(summary, head, rows, kinds) {
  const made = el(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": summary ?? "What could not be indexed" },
    el(
      "table",
      { class: "rows" },
      el("thead", {}, el("tr", {}, head.map((one, index) => el("th", { scope: "col", class: kinds[index] }, one)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, index) => el("td", { class: kinds[index] }, cell))))),
    ),
  );
  return summary === null ? made : el("details", { id: "numbers" }, el("summary", {}, summary), made);
}

function list(value) {
  return Array.isArray(value) ? value : [];
}
