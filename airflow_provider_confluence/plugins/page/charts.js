// Small charts as drawings in the page. Each says in its label what it shows; the same numbers stand in a table beside it.

import { el, svg } from "./dom.js";
import { number } from "./words.js";

const WIDTH = 400;
const HEIGHT = 96;
const GAP = 3;

/**
 * Draws one column for each row, from the oldest to the newest, with its values one on another.
 *
 * series: [{ key, label }]; the key is the class that colours it. rows: [{ title, values: { key: number } }].
 */
export function columns({ label, series, rows, slots = rows.length }) {
  const sums = rows.map((row) => series.reduce((sum, { key }) => sum + (row.values[key] || 0), 0));
  const highest = Math.max(0, ...sums);
  const most = highest || 1;
  const step = WIDTH / Math.max(slots, 1);
  const drawing = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    class: "chart",
    role: "img",
    "aria-label": label,
  });
  rows.forEach((row, index) => {
    const column = svg("g", {}, svg("title", {}, row.title));
    const x = WIDTH - (rows.length - index) * step + GAP / 2;
    let y = HEIGHT - 2;
    for (const { key } of series) {
      const value = row.values[key] || 0;
      if (value <= 0) continue;
      const height = Math.max((value / most) * (HEIGHT - 6), 2);
      y -= height;
      column.append(svg("rect", { x, y, width: Math.max(step - GAP, 1), height, class: `bar ${key}` }));
    }
    // So that a run in which nothing changed is seen, and can be pointed at.
    column.append(svg("rect", { x, y: HEIGHT - 2, width: Math.max(step - GAP, 1), height: 2, class: "bar base" }));
    column.append(svg("rect", { x, y: 0, width: Math.max(step - GAP, 1), height: HEIGHT, class: "area" }));
    drawing.append(column);
  });
  return el("figure", { class: "chart-box" }, el("figcaption", {}, legend(series, highest)), drawing);
}

function legend(series, most) {
  const keys = series.map(({ key, label }) => el("span", { class: "key" }, swatch(key), label));
  return [keys, el("span", { class: "quiet most" }, `highest: ${number(most)}`)];
}

function swatch(key) {
  return svg("svg", { viewBox: "0 0 10 10", class: "swatch", "aria-hidden": "true" }, svg("rect", { width: 10, height: 10, class: `bar ${key}` }));
}

/** Draws a line of text and a bar for each name, the longest first. */
export function bars(values) {
  const rows = Object.entries(values).sort(([, one], [, other]) => other - one);
  const most = Math.max(1, ...rows.map(([, value]) => value));
  return el(
    "table",
    { class: "bars" },
    el("caption", { class: "hidden" }, "Documents by type"),
    el("thead", { class: "hidden" }, el("tr", {}, el("th", { scope: "col" }, "Type"), el("th", { scope: "col" }, "Documents"), el("th", {}, "Share"))),
    el(
      "tbody",
      {},
      rows.map(([name, value]) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, name),
          el("td", { class: "number" }, number(value)),
          el(
            "td",
            { class: "wide" },
            svg(
              "svg",
              { viewBox: "0 0 100 8", preserveAspectRatio: "none", class: "line", "aria-hidden": "true" },
              svg("rect", { width: 100, height: 8, class: "bar base" }),
              svg("rect", { width: Math.max((value / most) * 100, 1), height: 8, class: "bar written" }),
            ),
          ),
        ),
      ),
    ),
  );
}
