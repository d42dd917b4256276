// Asks Airflow's public REST API, with the session of whoever looks at the page.

const API = new URL("../api/v2/", document.baseURI);
const PATIENCE_MS = 30_000;
const AT_ONCE = 6;
const PAGE = 100;

/** What went wrong, as a sentence for people. `status` is 0 where there was no answer. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function get(path, query = {}) {
  const address = new URL(path, API);
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value].flat()) address.searchParams.append(name, each);
  }
  return ask(address, { method: "GET" });
}

export async function post(path, body) {
  return ask(new URL(path, API), {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
}

/** Tells whether the user may start a DAG; where nobody can tell, Airflow will when it is tried. */
export async function mayStart(dagId) {
  try {
    return (await ask(new URL(`may-start/${encodeURIComponent(dagId)}`, document.baseURI), { method: "GET" })).allowed;
  } catch (error) {
    return error.status !== 403;
  }
}

/** Returns all rows of a listing. */
export async function all(path, key, query = {}) {
  const rows = [];
  for (;;) {
    const found = await get(path, { ...query, limit: PAGE, offset: rows.length });
    rows.push(...found[key]);
    // A page may hold less than was asked for: Airflow has a limit of its own.
    if (found[key].length === 0 || rows.length >= found.total_entries) return rows;
  }
}

/** Does something for each of many things, a few at a time, and returns the answers in order. */
export async function forEach(things, act) {
  const answers = new Array(things.length);
  let next = 0;
  async function work() {
    while (next < things.length) {
      const index = next++;
      answers[index] = await act(things[index]);
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, things.length) }, work));
  return answers;
}

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, { ...options, credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    throw new ApiError(0, "Airflow does not answer. Is it still running, and is the network up?");
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  throw new ApiError(answer.status, await reason(answer));
}

async function reason(answer) {
  if (answer.status === 401) return "Your session has ended. Reload Airflow to log in again.";
  if (answer.status === 403) return "Your role in Airflow does not allow this.";
  let said = "";
  try {
    const { detail } = await answer.json();
    said = typeof detail === "string" ? detail : Array.isArray(detail) ? detail.map((one) => one.msg).join("; ") : "";
  } catch {
    // Not JSON: what stands before Airflow answered.
  }
  return `Airflow answered ${answer.status}${said ? `: ${said}` : ""}.`;
}
