
// --- The graph: dependencies, what needs them, and the API at its end. ------

// Loose ends beyond this many are not drawn to the API: they would hide all
// else.
const MOST_LOOSE = 8;
const API = "(api)";

// The nodes and edges to draw; those that stand alone are `loose`.
function plan(dependencies) {
  const known = new Set(dependencies.map(({ name }) => name));
  const nodes = dependencies.map(({ name, needs }) => ({ name, needs: needs.filter((need) => known.has(need)) }));
  const needed = new Set(nodes.flatMap(({ needs }) => needs));
  const ends = nodes.filter(({ name }) => !needed.has(name));
  const isOff = new Set(dependencies.filter(({ status }) => OFF.includes(status)).map(({ name }) => name));
  const alone = ends.filter(({ needs }) => !needs.length);
  const crowd = alone.length > MOST_LOOSE;
  const loose = new Set(alone.filter(({ name }) => crowd || isOff.has(name)).map(({ name }) => name));
  const api = { name: API, needs: ends.map(({ name }) => name).filter((name) => !loose.has(name) && !isOff.has(name)) };
  return { connected: [...nodes.filter(({ name }) => !loose.has(name)), api], loose: [...loose] };
}

function drawGraph(state) {
  const place = byId("graph");
  const width = Math.floor(place.clientWidth);
  // Not laid out yet; whoever watches its size comes back.
  if (width < 100) return;
  const shape = state.dependencies.map(({ name, needs, policy, status }) => [name, needs, policy, OFF.includes(status)]);
  const focused = document.activeElement?.closest?.("#graph [data-node]")?.dataset.node;
  if (renew(place, [shape, width], () => [wholeGraph(state.dependencies, width)]) && focused) {
    place.querySelector(`[data-node="${CSS.escape(focused)}"] a`)?.focus();
  }
  const known = new Map(state.dependencies.map((dependency) => [dependency.name, dependency]));
  for (const node of place.querySelectorAll("[data-node]")) {
    if (node.dataset.node === API) showGate(node, state);
    else showNode(node, known.get(node.dataset.node), state);
  }
  for (const edge of place.querySelectorAll("[data-to]")) showEdge(edge, known);
}

function wholeGraph(dependencies, width) {
  const known = new Map(dependencies.map((dependency) => [dependency.name, dependency]));
  const { connected, loose } = plan(dependencies);
  // Thick borders need a little more room than the boxes.
  const placed = layout(connected, width - 4);
  const columns = Math.max(1, Math.floor((width + BOX.beside) / (placed.box + BOX.beside)));
  const below = placed.height + (loose.length ? 48 : 0);
  loose.forEach((name, index) => placed.places.set(name, {
    x: (index % columns) * (placed.box + BOX.beside),
    y: below + Math.floor(index / columns) * (BOX.height + BOX.beside),
  }));
  const height = below + Math.ceil(loose.length / columns) * (BOX.height + BOX.beside);
  const edges = connected.flatMap(({ name, needs }) => needs.map((need) =>
    draw("path", {
      class: "edge", "data-from": need, "data-to": name,
      d: wayOf(placed.places.get(need), placed.places.get(name), placed),
      "data-optional": name === API && !gates(known.get(need)) ? "" : null,
    })));
  const names = [...connected.map(({ name }) => name), ...loose];
  const nodes = names.map((name) => beginNode(name, known.get(name), placed.places.get(name), placed.box));
  const legend = loose.length ? draw("text", { class: "legend", x: 0, y: below - 14 }, "Needed by nothing else") : null;
  return draw("svg", {
    role: "group", "aria-labelledby": "graph-title", "aria-describedby": "graph-note",
    width, height: height + 4, viewBox: `-2 -2 ${width} ${height + 4}`,
  }, markers(), draw("g", { "aria-hidden": "true" }, ...edges, legend), ...nodes);
}

function markers() {
  const tip = { refX: 5, refY: 5, markerUnits: "userSpaceOnUse", orient: "auto" };
  return draw("defs", {},
    draw("marker", { id: "arrow", viewBox: "0 0 10 10", markerWidth: 11, markerHeight: 11, ...tip },
      draw("path", { class: "arrow", d: "M0 0 10 5 0 10Z" })),
    draw("marker", { id: "bar", viewBox: "0 0 10 10", markerWidth: 16, markerHeight: 16, ...tip },
      draw("path", { class: "bar", d: "M5 0V10" })));
}

function beginNode(name, dependency, at, width) {
  const content = [
    draw("rect", { class: "box", width, height: BOX.height, rx: 9 }),
    draw("svg", { class: "glyph", x: 11, y: 11, width: 16, height: 16 }, draw("use", {})),
    // What is too long ends at the border.
    draw("svg", { x: 34, width: width - 42, height: 32 },
      draw("text", { class: "name", y: 24 }, name === API ? "API" : name)),
  ];
  const inner = name === API ? draw("g", { role: "img" }, ...content) : draw("a", { href: `#d-${name}` }, ...content);
  // The label says it, too, and does not change each second.
  const below = draw("g", { class: "below", "aria-hidden": "true" },
    draw("text", { class: "told", x: 11, y: 43 }),
    draw("text", { x: 11, y: 59 }, dependency?.policy ?? ""));
  return draw("g", { class: "node", "data-node": name, transform: `translate(${at.x} ${at.y})` }, inner, below);
}

function showNode(node, dependency, state) {
  const { name, status, policy, since, latency_ms: latency, blocked_by: by } = dependency;
  const tone = toneOf(status);
  dress(node, tone, gates(dependency));
  renew(node.querySelector(".told"), [status, since, status === "ok" ? latency : by], () => {
    const word = draw("tspan", { class: "state" }, WORD[status]);
    if (status === "ok") return [word, latency === null ? "" : ` · ${milliseconds(latency)}`];
    if (OFF.includes(status)) return [word];
    return [word, " ", draw("tspan", { "data-since": since }, sinceThen(since))];
  });
  const needs = dependency.needs.length ? `, needs ${listed(dependency.needs)}` : "";
  const blocks = state.blocks.get(name) ?? [];
  const holds = blocks.length ? `, holds back ${listed(blocks)}` : "";
  const waits = by ? `, waits for ${by}` : "";
  mark(node.firstElementChild, "aria-label", `${name}: ${WORD[status]}, ${policy}${waits}${needs}${holds}`);
}

function showGate(node, state) {
  const [tone, words] = gateOf(state);
  dress(node, tone, true);
  say(node.querySelector(".told"), words);
  mark(node.firstElementChild, "aria-label", `API: ${words}`);
}

function dress(node, tone, gating) {
  mark(node, "data-tone", tone);
  mark(node, "class", `node${gating ? " gating" : ""}${tone === "off" ? " off" : ""}`);
  mark(node.querySelector("use"), "href", `#glyph-${tone}`);
}

function showEdge(edge, known) {
  const { from, to } = edge.dataset;
  const need = known.get(from);
  const holds = to === API ? need.policy === "required" && !isUp(need) : known.get(to).blocked_by === from;
  mark(edge, "class", `edge${holds ? " holds" : ""}${edge.dataset.optional === "" ? " optional" : ""}`);
  mark(edge, "marker-end", holds ? "url(#bar)" : "url(#arrow)");
}
