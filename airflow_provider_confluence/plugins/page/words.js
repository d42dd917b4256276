// Numbers and times as people read them.

const UNITS = [
  [365 * 86400, "year"],
  [30 * 86400, "month"],
  [86400, "day"],
  [3600, "hour"],
  [60, "minute"],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const clock = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

export function number(value) {
  return Math.round(value).toLocaleString("en");
}

export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** "5 minutes ago", "in 2 hours". */
export function ago(when, now = Date.now()) {
  const seconds = (time(when) - now) / 1000;
  for (const [size, unit] of UNITS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return seconds > 0 ? "in less than a minute" : "less than a minute ago";
}

export function exactly(when) {
  return clock.format(time(when));
}

/** Milliseconds of an instant that is given as such, as RFC 3339, or as a Date. */
export function time(when) {
  return typeof when === "number" ? when : new Date(when).getTime();
}

export function seconds(value) {
  if (value < 60) return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
}

/** Milliseconds of a duration as the settings write it ("5m", "1h30m"); null where it is none. */
export function duration(text) {
  const sizes = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  let whole = 0;
  const rest = String(text ?? "").replace(/(\d+(?:\.\d+)?)(ms|s|m|h)/g, (_, amount, unit) => {
    whole += Number(amount) * sizes[unit];
    return "";
  });
  return rest === "" && whole > 0 ? whole : null;
}

const TYPES = { blogpost: "blog post", embed: "smart link" };

export function typeName(type) {
  return TYPES[type] ?? String(type);
}
