// The buttons: each starts a run of the datasource's DAG, with the parameters that the form of Airflow would give it.

import { post } from "./api.js";
import { consent } from "./consent.js";
import { el } from "./dom.js";

const ACTIONS = [
  { label: "Sync now", mode: "auto", hint: "Looks at what changed last." },
  { label: "Reconcile", mode: "reconcile", hint: "Compares everything in scope with the index." },
  { label: "Verify", mode: "verify", hint: "Compares everything, and what the sink really holds." },
];
const FORBIDDEN = "Your role in Airflow may not start this DAG, so there is nothing to press here.";
const PAUSED = "The DAG is paused: a run waits until it is unpaused.";
const IDS = /^[A-Za-z0-9_.:-]{1,100}$/;

/**
 * Returns the area of the buttons, and what brings it up to date. `allowed`: whether the user may start the DAG. `started` is called when a
 * run was.
 */
export function actions(source, allowed, started) {
  const answer = el("p", { class: "answer", role: "status" });
  const reason = el("p", { class: "quiet", id: "reason" });
  const buttons = ACTIONS.map(({ label, mode, hint }) =>
    el("button", { type: "button", title: hint, disabled: true, onclick: () => start({ mode }, label) }, label),
  );
  const field = el("textarea", { id: "ids", rows: 2, spellcheck: "false", "aria-describedby": "ids-help" });
  const some = el("button", { type: "button", disabled: true, onclick: () => startSome() }, "Re-index these");
  const controls = [...buttons, some];

  function enable(enabled, why = "") {
    for (const button of controls) {
      button.disabled = !enabled;
      if (why) button.setAttribute("aria-describedby", "reason");
    }
    field.disabled = !enabled;
    reason.textContent = why;
  }

  function tell(kind, text) {
    answer.className = `answer ${kind}`;
    answer.textContent = text;
  }

  async function start(conf, label) {
    enable(false);
    tell("", "Starting …");
    try {
      const run = await post(`dags/${encodeURIComponent(source.dagId)}/dagRuns`, { logical_date: null, conf });
      tell("good", `${label}: started as ${run.dag_run_id}.`);
      enable(true, source.dag.is_paused ? PAUSED : "");
      started(run);
      return run;
    } catch (error) {
      tell("bad", `${label}: ${error.message}`);
      enable(error.status !== 403, error.status === 403 ? FORBIDDEN : "");
      return null;
    }
  }

  function startSome() {
    const ids = field.value.split(/[\s,;]+/).filter((id) => id !== "");
    const wrong = ids.filter((id) => !IDS.test(id));
    if (ids.length === 0 || wrong.length > 0) {
      tell("bad", ids.length === 0 ? "Type the ids of pages, blog posts, attachments or comments first." : `These are no ids: ${wrong.slice(0, 5).join(", ")}`);
      field.focus();
      return;
    }
    start({ content_ids: ids }, "Re-index these");
  }

  enable(allowed, allowed ? (source.dag.is_paused ? PAUSED : "") : FORBIDDEN);
  const asking = consent(allowed, start);

  const area = el(
    "section",
    { class: "actions", "aria-labelledby": "actions-title" },
    el("h2", { id: "actions-title" }, "Start a run"),
    el("div", { class: "buttons" }, buttons),
    el(
      "div",
      { class: "some" },
      el("label", { for: "ids" }, "Only these items"),
      field,
      el("p", { class: "quiet", id: "ids-help" }, "Ids as in the addresses of pages, with spaces or lines between. They are fetched and indexed again."),
      some,
    ),
    reason,
    answer,
  );
  return { areas: [asking.area, area], update: asking.update };
}

/** Puts an id into the field of the items, for a button elsewhere. */
export function fillIn(ids) {
  const field = document.getElementById("ids");
  if (field === null) return;
  field.value = ids.join("\n");
  field.focus();
  field.scrollIntoView({ block: "center" });
}
