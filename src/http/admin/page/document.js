
// --- The document: elements are made once and told only what changed. -------
// Texts come from peers, too: they are only ever set as text.

const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) mark(element, name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function mark(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const glyph = (tone) =>
  draw("svg", { class: "glyph", "aria-hidden": "true" }, draw("use", { href: `#glyph-${tone}` }));

// A time of day, with the time in the daemon's logs as its title.
const moment = (iso) => make("time", { datetime: iso, title: iso }, clock(iso));

// How long ago; it goes on by itself.
const ticking = (iso) => make("span", { "data-since": iso }, sinceThen(iso));

function tick() {
  for (const element of document.querySelectorAll("[data-since]")) {
    say(element, sinceThen(element.getAttribute("data-since")));
  }
}

const unbroken = (text) => make("span", { class: "nowrap" }, text);

const linkTo = (name) => make("a", { class: "name", href: `#d-${name}` }, name);

// Brings the children of `parent` in line with `items`, each known by its key.
// A child stays the same element, so that whoever is in it stays there.
function keep(parent, items, key, begin, update) {
  const present = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = present.get(name);
    present.delete(name);
    if (!child) {
      child = begin(item);
      child.dataset.key = name;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
  for (const child of present.values()) child.remove();
}

// Makes the content of `element` anew when what it is made from has changed.
function renew(element, from, content) {
  const made = JSON.stringify(from);
  if (element.madeFrom === made) return false;
  const first = element.madeFrom === undefined;
  element.madeFrom = made;
  element.replaceChildren(...content().filter((child) => child !== null && child !== undefined));
  return !first;
}
