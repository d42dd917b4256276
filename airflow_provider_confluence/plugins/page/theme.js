// Follows Airflow's own choice of dark or light, where this page stands in Airflow; else the system's.

const system = window.matchMedia("(prefers-color-scheme: dark)");

export function followTheme() {
  const around = surrounding();
  apply(around);
  system.addEventListener("change", () => apply(around));
  if (around !== null) new MutationObserver(() => apply(around)).observe(around, { attributes: true, attributeFilter: ["class", "data-theme"] });
}

function surrounding() {
  try {
    return window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    return null;
  }
}

function apply(around) {
  const classes = around?.classList;
  const chosen = classes?.contains("dark") ? "dark" : classes?.contains("light") ? "light" : null;
  document.documentElement.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
}
