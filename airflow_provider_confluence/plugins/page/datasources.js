// Puts together what Airflow knows of each datasource: its asset with what the last commits wrote there, its DAG, and its last runs.

import { all, forEach, get } from "./api.js";
import { readProgress } from "./progress.js";
import { ago, count, duration, time } from "./words.js";

const URI = "confluence://datasource/";
const PREFIX = "confluence__";
const SLACK_MS = 10 * 60_000;
const LOSS_SHOWN_MS = 7 * 86_400_000;
const ONGOING = ["queued", "running"];

/** Returns all datasources whose DAG the user may read, the most urgent first. */
export async function readAll() {
  const assets = await all("assets", "assets", { uri_prefix_pattern: URI });
  const dags = await dagsOf(assets);
  const shown = assets.filter((asset) => dags.has(asset.id));
  const found = await forEach(shown, (asset) => read(asset, dags.get(asset.id), 1));
  return found.sort((one, other) => RANK.indexOf(one.state) - RANK.indexOf(other.state) || one.id.localeCompare(other.id));
}

/** Returns one datasource with its last runs, by its id or by its DAG's; null where the user sees none. */
export async function readOne({ id = null, dagId = null }) {
  const query = dagId === null ? { uri_prefix_pattern: URI + id } : { uri_prefix_pattern: URI, dag_ids: dagId };
  const assets = (await all("assets", "assets", query)).filter((asset) => id === null || asset.uri === URI + id);
  const dags = await dagsOf(assets);
  const asset = assets.find((one) => dags.has(one.id) && (dagId === null || dags.get(one.id).dag_id === dagId));
  if (asset === undefined) return null;
  const found = await read(asset, dags.get(asset.id), 20);
  if (found.ongoing !== null) found.progress = await readProgress(found.dagId, found.ongoing.dag_run_id);
  return found;
}

/** Returns the DAG of each asset, by the asset's id: the one whose commit keeps its state, not those that wait for its events. */
async function dagsOf(assets) {
  const readable = new Map();
  const known = await all("dags", "dags", { tags: "confluence", exclude_stale: false });
  for (const dag of known) readable.set(dag.dag_id, dag);
  const candidates = new Map(assets.map((asset) => [asset.id, candidatesOf(asset)]));
  const unknown = new Set([...candidates.values()].filter((ids) => !ids.some((id) => readable.has(id))).flat());
  await forEach([...unknown], async (dagId) => {
    // As a listing, which leaves out what the user may not read, instead of refusing it.
    const { dags } = await get("dags", { dag_id_prefix_pattern: dagId, exclude_stale: false, limit: 100 });
    for (const dag of dags) if (dag.dag_id === dagId) readable.set(dagId, dag);
  });
  const chosen = new Map();
  for (const [assetId, ids] of candidates) {
    const dag = ids.map((id) => readable.get(id)).find((one) => one !== undefined && (!one.is_stale || one.has_import_errors));
    if (dag !== undefined) chosen.set(assetId, dag);
  }
  return chosen;
}

function candidatesOf(asset) {
  const usual = PREFIX + idOf(asset);
  const ids = asset.consuming_tasks.map((task) => task.dag_id);
  const committing = asset.consuming_tasks.filter((task) => task.task_id.split(".").pop() === "commit").map((task) => task.dag_id);
  return ids.includes(usual) ? [usual] : [...new Set(committing.length > 0 ? committing : ids)];
}

function idOf(asset) {
  return asset.uri.slice(URI.length);
}

async function read(asset, dag, howMany) {
  // One after the other: where a run is seen to be over, what it committed is seen too.
  const runs = await get(`dags/${encodeURIComponent(dag.dag_id)}/dagRuns`, { limit: howMany, order_by: "-run_after" });
  const store = await get(`assets/${asset.id}/state-store`, { limit: 50 });
  const mirror = Object.fromEntries(store.asset_state_store.map((row) => [row.key, row.value]));
  return judged(asset, dag, runs.dag_runs, mirror, Date.now());
}

// ------------------------------------------------------------------ how it stands

const RANK = ["misconfigured", "failing", "late", "new", "fresh", "disabled"];

/** Returns a datasource with its state, one of RANK, and the sentence why. */
export function judged(asset, dag, runs, mirror, now) {
  const settings = object(mirror.datasource);
  const state = object(mirror.state);
  const recent = list(mirror.recent_runs);
  const run = runs[0] ?? null;
  const source = {
    id: idOf(asset),
    assetId: asset.id,
    lastChange: asset.last_asset_event?.timestamp ?? null,
    dagId: dag.dag_id,
    dag,
    name: String(settings.name ?? idOf(asset)),
    settings,
    index: state,
    counts: object(mirror.counts),
    recent,
    failures: list(mirror.failures),
    trouble: mirror.trouble === undefined ? null : object(mirror.trouble),
    runs,
    ongoing: runs.find((one) => ONGOING.includes(one.state)) ?? null,
    documents: Object.values(object(state.documents)).reduce((sum, one) => sum + Number(one), 0),
    progress: null,
    nextRun: dag.is_paused ? null : dag.next_dagrun_run_after,
    storageLost: lostStorage(mirror, now),
  };
  const [word, why] = verdict(source, run, now);
  return { ...source, state: word, why };
}

function verdict(source, run, now) {
  const { dag, index, trouble } = source;
  if (dag.has_import_errors) {
    return ["misconfigured", "The file of its DAG cannot be imported: see the import errors on Airflow's home page."];
  }
  if (trouble !== null && ["configuration", "storage"].includes(trouble.kind)) return ["misconfigured", String(trouble.message)];
  if (dag.timetable_summary === null) return ["disabled", "It has no schedule (enabled is false). It can still be run by hand."];
  if (dag.is_paused) return ["disabled", "Its DAG is paused in Airflow."];
  if (trouble !== null) return ["failing", String(trouble.message)];
  if (list(index.problems).length > 0) return ["failing", String(index.verdict ?? "The last run missed something.")];
  if (run !== null && run.state === "failed") return ["failing", "The last run failed before its commit; its tasks' logs say why."];
  if (index.watermark === undefined) return ["new", source.ongoing ? "Its first run is under way." : "Nothing has been indexed yet."];
  const interval = duration(source.settings.interval) ?? 3_600_000;
  const age = now - time(index.watermark);
  const seen = `Shows what stood in Confluence ${ago(index.watermark, now)}`;
  if (age > 2 * interval + SLACK_MS) return ["late", `${seen}; it is to be looked at every ${source.settings.interval}.`];
  return ["fresh", `${seen}.`];
}

function lostStorage(mirror, now) {
  const storage = object(mirror.storage);
  const losses = list(storage.losses).filter((loss) => now - time(loss.at) < LOSS_SHOWN_MS);
  const trouble = object(mirror.trouble);
  if (losses.length > 0) {
    const last = losses[losses.length - 1];
    const moved = last.moved_from ? `The storage was ${last.moved_from} before: what was kept there was not taken along.` : null;
    const times = losses.length > 1 ? ` This happened ${count(losses.length, "time")} in seven days.` : "";
    return {
      what: `The storage lost what was committed: ${last.what} (${ago(last.at, now)}).${times}`,
      advice: moved ?? `Everything is then fetched again, and deletions in between may be missed. ${storage.place} must outlive restarts: `
        + "set [confluence] storage_path to a volume or an object store that does.",
    };
  }
  return trouble.kind === "storage" ? { what: String(trouble.message), advice: null } : null;
}

function object(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
}

function list(value) {
  return Array.isArray(value) ? value : [];
}
