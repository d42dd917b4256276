// All datasources on one page, the most urgent first.

import { columns } from "./charts.js";
import { el } from "./dom.js";
import { badge, lastRun, nextRun, notice, ongoingBadge } from "./parts.js";
import { count, number } from "./words.js";

const MANY = 8;
const CHANGES = [
  { key: "added", label: "added" },
  { key: "changed", label: "changed" },
  { key: "deleted", label: "deleted" },
  { key: "failed", label: "failed" },
];

export { CHANGES };

export function overview(sources) {
  if (sources.length === 0) return nothing();
  const rows = sources.map((source) => [source, row(source)]);
  return [
    el("p", { class: "summary" }, summary(sources)),
    sources.filter((source) => source.storageLost !== null).map((source) =>
      notice("bad", `${source.name}: ${source.storageLost.what}`, source.storageLost.advice ?? []),
    ),
    sources.length > MANY ? filter(rows) : null,
    el(
      "table",
      { class: "sources" },
      el("caption", { class: "hidden" }, "Datasources"),
      el(
        "thead",
        {},
        el("tr", {}, ["Datasource", "State", "Last run", "Next run", "Documents", "Failing", "Changes"].map((one) => el("th", { scope: "col" }, one))),
      ),
      el("tbody", {}, rows.map(([, made]) => made)),
    ),
  ];
}

function nothing() {
  return el(
    "div",
    { class: "empty" },
    el("h2", {}, "No datasources yet"),
    el("p", {}, "A datasource is a space, or several, that is kept in a search index. To make one:"),
    el(
      "ol",
      {},
      el("li", {}, "make a Connection of type Confluence, with the address of your site and a token;"),
      el("li", {}, "write the datasource into the Variable ", el("code", {}, "confluence_datasources"), ": ", el("code", {}, '{"docs": {"space": "DOCS"}}'), ";"),
      el("li", {}, "put a DAG file into the DAGs folder that calls ", el("code", {}, "build_dags()"), "."),
    ),
    el("p", {}, "It appears here within a minute. If there are some already: you see those whose DAGs you may read."),
  );
}

function summary(sources) {
  const states = new Map();
  for (const { state } of sources) states.set(state, (states.get(state) ?? 0) + 1);
  const parts = [...states].map(([state, many]) => `${many} ${state}`).join(", ");
  const documents = sources.reduce((sum, source) => sum + source.documents, 0);
  return `${count(sources.length, "datasource")} with ${count(documents, "document")}: ${parts}.`;
}

function filter(rows) {
  const field = el("input", { type: "search", id: "filter", autocomplete: "off" });
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const [source, made] of rows) {
      made.hidden = ![source.id, source.name, source.state].some((one) => one.toLowerCase().includes(wanted));
    }
  });
  return el("p", { class: "filter" }, el("label", { for: "filter" }, "Show those with "), field);
}

function row(source) {
  const cell = (label, ...children) => el("td", { "data-label": label }, el("div", {}, children));
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row" },
      el("a", { href: `?datasource=${encodeURIComponent(source.id)}` }, source.name),
      source.name === source.id ? null : el("div", { class: "quiet" }, source.id),
    ),
    cell("State", badge(source.state), " ", ongoingBadge(source), el("div", { class: "why" }, source.why)),
    cell("Last run", lastRun(source)),
    cell("Next run", nextRun(source)),
    cell("Documents", number(source.documents)),
    cell("Failing", number(source.counts.failing ?? 0)),
    cell("Changes", source.recent.length === 0 ? el("span", { class: "quiet" }, "none") : spark(source)),
  );
}

function spark(source) {
  const rows = changesOf(source);
  const sum = (key) => number(rows.reduce((all, row) => all + row.values[key], 0));
  const label = `In the last ${count(rows.length, "run")}: ${CHANGES.map(({ key, label }) => `${sum(key)} ${label}`).join(", ")}`;
  const figure = columns({ label, series: CHANGES, rows, slots: 20 });
  figure.querySelector("figcaption").remove();
  figure.classList.add("spark");
  return figure;
}

/** What each of the last runs did, the oldest first. */
export function changesOf(source) {
  return [...source.recent].reverse().map((run) => {
    const counts = run.counts ?? {};
    const values = {
      added: counts.added ?? 0,
      changed: (counts.written ?? 0) - (counts.added ?? 0),
      deleted: counts.deleted ?? 0,
      failed: counts.failed ?? 0,
    };
    const said = CHANGES.filter(({ key }) => values[key] > 0).map(({ key, label }) => `${number(values[key])} ${label}`);
    return { run, values, title: `${new Date(run.revision).toLocaleString("en")}: ${said.join(", ") || "nothing changed"}` };
  });
}
