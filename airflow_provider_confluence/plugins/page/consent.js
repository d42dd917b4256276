// Deletions that a run withheld: how many, by which run, and the way to allow them, which asks once more.

import { el } from "./dom.js";
import { count, exactly, number } from "./words.js";

/**
 * Returns the area, and what brings it up to date. `start(conf, label)` starts a run, and tells what came of it.
 *
 * It stays where it is while the page is renewed around it, so that nobody is thrown out of a question.
 */
export function consent(allowed, start) {
  const area = el("section", { class: "consent", "aria-labelledby": "consent-title" });
  area.hidden = true;
  let revision = null;

  function update(source) {
    const next = source.settings.awaiting ?? null;
    const many = withheldBy(source, next);
    if (next === null || many === 0) {
      area.hidden = true;
      area.replaceChildren();
      revision = null;
      return;
    }
    if (next === revision) return;
    revision = next;
    area.hidden = false;
    const things = many === null ? "Deletions" : count(many, "deletion");
    const open = el("button", { type: "button", disabled: !allowed, "aria-describedby": allowed ? null : "reason", onclick: () => ask() }, "Allow these deletions …");
    area.replaceChildren(
      el("h2", { id: "consent-title" }, `${things} ${many === 1 ? "is" : "are"} withheld`),
      el("p", {}, `Run ${next} (${exactly(next)}) found far more to delete than usual, and left it in the index. If that is right, allow it; if not, find out why Confluence shows so little: a lost permission looks the same.`),
      open,
    );

    function ask() {
      const what = many === null ? "what that run withheld" : count(many, "document");
      const keep = el("button", { type: "button", onclick: () => dialog.close() }, "Keep them");
      const go = el(
        "button",
        {
          type: "button",
          class: "danger",
          onclick: () => {
            dialog.close();
            start({ allow_mass_delete: next }, "Allow these deletions");
          },
        },
        many === null ? "Delete them" : `Delete ${number(many)}`,
      );
      const dialog = el(
        "dialog",
        { "aria-labelledby": "ask-title" },
        el("h2", { id: "ask-title" }, `Delete ${what} from the index of ${source.name}?`),
        el("p", {}, `This allows what run ${next} withheld, and nothing else. Confluence is asked again first: what it shows again by then stays.`),
        el("div", { class: "buttons" }, keep, go),
      );
      dialog.addEventListener("close", () => {
        dialog.remove();
        open.focus();
      });
      document.body.append(dialog);
      dialog.showModal();
      keep.focus();
    }
  }

  return { area, update };
}

/** How many deletions wait for consent to a run; null where that run is not among those that are shown. */
function withheldBy(source, revision) {
  const row = source.recent.find((one) => one.revision === revision);
  return row?.counts?.withheld ?? source.counts.withheld ?? null;
}
