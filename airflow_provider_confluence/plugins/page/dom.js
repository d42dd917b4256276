// Makes elements. Whatever is shown goes in as text, never as markup: messages and ids come from people who write in Confluence.

const SVG = "http://www.w3.org/2000/svg";

/** Returns an element. Attributes that are null or false are left out; children are nodes, texts, or lists of them. */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for a part of a drawing. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "onclick") element.addEventListener("click", value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Returns a link to another page of Airflow, or out of it; plain text where the address is not one of the web. */
export function link(href, ...children) {
  const address = webAddress(href);
  if (address === null) return el("span", {}, children);
  const inside = address.origin === location.origin;
  const made = el("a", { href: address.href, target: inside ? "_top" : "_blank", rel: inside ? null : "noopener noreferrer" }, children);
  if (!inside) made.append(el("span", { class: "hidden" }, " (opens in a new tab)"));
  made.addEventListener("click", leaveTheFrame);
  return made;
}

function webAddress(href) {
  try {
    const address = new URL(href, document.baseURI);
    return ["http:", "https:"].includes(address.protocol) ? address : null;
  } catch {
    return null;
  }
}

// Airflow's frame lets nothing in it open a tab or change the page around it. That page is of the same origin, so it can be asked to.
function leaveTheFrame(event) {
  if (window.parent === window) return;
  try {
    const parent = window.parent.document;
    const source = event.currentTarget;
    const twin = parent.createElement("a");
    twin.href = source.href;
    twin.rel = source.rel;
    if (source.target === "_blank" || event.ctrlKey || event.metaKey || event.shiftKey) twin.target = "_blank";
    parent.body.append(twin);
    twin.click();
    twin.remove();
    event.preventDefault();
  } catch {
    // Not our frame: the link does what it can.
  }
}

/** Tells those who cannot see what changed. */
export function say(text) {
  document.getElementById("said").textContent = text;
}
