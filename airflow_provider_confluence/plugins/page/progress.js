// A run that is under way: its steps, and how far those are that take long.

import { all, forEach, get } from "./api.js";
import { el } from "./dom.js";
import { count, number } from "./words.js";

const STEPS = [
  ["list_changes", "Listing what changed"],
  ["extract", "Fetching"],
  ["index", "Writing to the index"],
  ["commit", "Committing"],
];
const OVER = ["success", "skipped"];
const BROKEN = ["failed", "upstream_failed", "up_for_retry"];
const SIGNS = { done: "✓", active: "▶", broken: "✕", waiting: "○" };
const SPOKEN = { done: "done", active: "under way", broken: "failed", waiting: "waiting" };

/** Returns the steps of a run, each with its state and what can be said of it; null where it has no tasks yet. */
export async function readProgress(dagId, runId) {
  const base = `dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(runId)}/taskInstances`;
  const tasks = await all(base, "task_instances");
  const active = tasks.filter((task) => task.state === "running");
  const told = await forEach(active, async (task) => {
    const path = `${base}/${encodeURIComponent(task.task_id)}/state-store`;
    const rows = (await get(path, { map_index: task.map_index, limit: 20 })).task_state_store;
    return [task, rows.find((row) => row.key === "progress")?.value];
  });
  const steps = STEPS.map(([id, label]) => {
    const own = tasks.filter((task) => task.task_id.split(".").pop() === id);
    return { label, ...summed(own, told.filter(([task]) => own.includes(task))) };
  });
  return steps.every((step) => step.tasks === 0) ? null : steps;
}

function summed(tasks, told) {
  const over = tasks.filter((task) => OVER.includes(task.state)).length;
  const broken = tasks.some((task) => BROKEN.includes(task.state));
  const state = told.length > 0 ? "active" : broken ? "broken" : tasks.length > 0 && over === tasks.length ? "done" : "waiting";
  const said = told.map(([task, progress]) => sentence(task, progress)).filter((one) => one !== "");
  if (tasks.length > 1) said.unshift(`${number(over)} of ${count(tasks.length, "shard")}`);
  return { tasks: tasks.length, state, said };
}

function sentence(task, progress) {
  const name = task.rendered_map_index ? `${task.rendered_map_index}: ` : "";
  if (progress === null || typeof progress !== "object") return "";
  if (progress.of !== undefined) return `${name}${number(Number(progress.done))} of ${number(Number(progress.of))}`;
  if (progress.listed !== undefined) return `${number(Number(progress.listed))} found so far${progress.where ? `, in ${progress.where}` : ""}`;
  return "";
}

/** Shows the steps as a list that reads from left to right. */
export function steps(found) {
  return el(
    "ol",
    { class: "steps", "aria-label": "The run that is under way" },
    found.map(({ label, state, said }) =>
      el(
        "li",
        { class: state },
        el("span", { "aria-hidden": "true" }, `${SIGNS[state]} `),
        label,
        el("span", { class: "hidden" }, ` (${SPOKEN[state]})`),
        said.map((one) => el("div", { class: "quiet" }, one)),
      ),
    ),
  );
}
