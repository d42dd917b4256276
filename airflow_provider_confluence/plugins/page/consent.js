// Deletions that a run withheld: how many, by which run, and the way to allow them, which asks once more.

import { el } from "./dom.js";
import { count, exactly, number } from "./words.js";

const OVER = ["success", "failed"];

/**
 * Returns the area, and what brings it up to date. `start(conf, label)` starts a run, and returns it; null where it could not be started.
 *
 * It stays where it is while the page is renewed around it, so that nobody is thrown out of a question.
 */
export function consent(allowed, start) {
  const title = el("h2", { id: "consent-title", tabindex: -1 });
  const text = el("p");
  const open = el("button", { type: "button", "aria-describedby": allowed ? null : "reason", onclick: () => ask() });
  const area = el("section", { class: "consent", "aria-labelledby": "consent-title" }, title, text, open);
  area.hidden = true;
  let known = null;
  let given = null;

  function update(source) {
    known = source;
    const revision = awaited(source);
    area.hidden = revision === null;
    if (revision === null) return;
    const many = howMany(source, revision);
    title.textContent = `${many === null ? "Deletions" : count(many, "deletion")} ${many === 1 ? "is" : "are"} withheld`;
    text.textContent = `Run ${revision} (${exactly(revision)}) found far more to delete than usual, and left it in the index. If that is right, allow it; if not, find out why Confluence shows so little: a lost permission looks the same.`;
    const done = isGiven(source, revision, given);
    open.disabled = !allowed || done;
    open.textContent = done ? "Allowed; the next run deletes them" : "Allow these deletions …";
  }

  async function give(revision) {
    given = { revision, run: null };
    update(known);
    const run = await start({ allow_mass_delete: revision }, "Allow these deletions");
    given = run === null ? null : { revision, run };
    update(known);
  }

  function ask() {
    const { name } = known;
    const revision = awaited(known);
    const many = howMany(known, revision);
    const what = many === null ? "what that run withheld" : count(many, "document");
    const keep = el("button", { type: "button", onclick: () => dialog.close() }, "Keep them");
    const go = el(
      "button",
      {
        type: "button",
        class: "danger",
        onclick: () => {
          dialog.close();
          give(revision);
        },
      },
      many === null ? "Delete them" : `Delete ${number(many)}`,
    );
    const dialog = el(
      "dialog",
      { "aria-labelledby": "ask-title" },
      el("h2", { id: "ask-title" }, `Delete ${what} from the index of ${name}?`),
      el("p", {}, `This allows what run ${revision} withheld, and nothing else. Confluence is asked again first: what it shows again by then stays.`),
      el("div", { class: "buttons" }, keep, go),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      (open.disabled ? title : open).focus();
    });
    document.body.append(dialog);
    dialog.showModal();
    keep.focus();
  }

  return { area, update };
}

/** The run by whose number consent is given; null where nothing waits for it. */
function awaited(source) {
  return source.settings.awaiting ?? null;
}

/** How many deletions wait now; null where no run that is shown says it. A run over single items looks at none, and counts none. */
function howMany(source, revision) {
  const last = source.recent.find((one) => one.revision >= revision && one.counts?.withheld > 0);
  return source.counts.withheld || last?.counts.withheld || null;
}

/** Whether a run has the consent already: here, in another window, or by somebody else. One that failed on its way leaves the question open. */
function isGiven(source, revision, given) {
  const runs = source.runs.filter((run) => run.conf?.allow_mass_delete === revision);
  if (runs.some((run) => !OVER.includes(run.state))) return true;
  if (given === null || given.revision !== revision) return false;
  const own = runs.find((run) => run.dag_run_id === given.run?.dag_run_id);
  return own === undefined || own.state !== "failed";
}
