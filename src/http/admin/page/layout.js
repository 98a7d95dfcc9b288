
// --- The layout of the graph: pure, from names and needs to places. ---------

const BOX = { least: 150, most: 200, height: 68, across: 44, beside: 14, down: 44 };
// A layer of more than this many becomes several columns.
const MOST_ROWS = 12;

// The nodes by depth: each stands in a later layer than all that it needs.
// `nodes` come with their needs before them.
function layersOf(nodes) {
  const depth = new Map();
  const layers = [];
  for (const { name, needs } of nodes) {
    const deepest = Math.max(-1, ...needs.map((need) => depth.get(need) ?? -1));
    depth.set(name, deepest + 1);
    (layers[deepest + 1] ??= []).push(name);
  }
  untangle(layers, nodes);
  return layers;
}

// Puts each node near its neighbours in the layers around it.
function untangle(layers, nodes) {
  const neighbours = new Map(nodes.map(({ name, needs }) => [name, [...needs]]));
  for (const { name, needs } of nodes) for (const need of needs) neighbours.get(need)?.push(name);
  for (let sweep = 0; sweep < 4; sweep += 1) {
    const place = new Map();
    for (const layer of layers) layer.forEach((name, index) => place.set(name, (index + 0.5) / layer.length));
    for (const layer of layers) {
      const middle = new Map();
      for (const name of layer) {
        const places = neighbours.get(name).map((other) => place.get(other));
        const sum = places.reduce((total, value) => total + value, 0);
        middle.set(name, places.length ? sum / places.length : place.get(name));
      }
      layer.sort((a, b) => middle.get(a) - middle.get(b));
    }
  }
}

// Places for all nodes within `width`: layers from left to right where they
// fit, else from top to bottom.
function layout(nodes, width) {
  const layers = layersOf(nodes);
  return leftToRight(layers, width) ?? topToBottom(layers, width);
}

function leftToRight(layers, width) {
  const columns = layers.flatMap((layer) => {
    const count = Math.ceil(layer.length / MOST_ROWS);
    const rows = Math.ceil(layer.length / count);
    return Array.from({ length: count }, (_, index) => layer.slice(index * rows, (index + 1) * rows));
  });
  const gaps = (columns.length - 1) * BOX.across;
  const box = Math.min(BOX.most, Math.floor((width - gaps) / columns.length));
  if (box < BOX.least) return null;
  const tallest = Math.max(...columns.map((column) => column.length));
  const height = tallest * (BOX.height + BOX.beside) - BOX.beside;
  const places = new Map();
  columns.forEach((column, index) => {
    const own = column.length * (BOX.height + BOX.beside) - BOX.beside;
    column.forEach((name, row) => {
      const y = (height - own) / 2 + row * (BOX.height + BOX.beside);
      places.set(name, { x: index * (box + BOX.across), y });
    });
  });
  return { places, height, box, flows: "right" };
}

function topToBottom(layers, width) {
  const most = Math.max(1, Math.floor((width + BOX.beside) / (BOX.least + BOX.beside)));
  // Two beside each other fit on a phone, a little narrower.
  const columns = Math.max(most, width >= 260 ? 2 : 1);
  const box = Math.min(BOX.most, Math.floor((width - (columns - 1) * BOX.beside) / columns));
  const places = new Map();
  let y = 0;
  for (const layer of layers) {
    for (let begin = 0; begin < layer.length; begin += columns) {
      const row = layer.slice(begin, begin + columns);
      const own = row.length * (box + BOX.beside) - BOX.beside;
      row.forEach((name, index) => places.set(name, { x: (width - own) / 2 + index * (box + BOX.beside), y }));
      y += BOX.height + BOX.beside;
    }
    y += BOX.down - BOX.beside;
  }
  return { places, height: y - BOX.down, box, flows: "down" };
}

// The way of an edge between two places.
function wayOf(from, to, { box, flows }) {
  if (flows === "right") {
    const [x1, y1, x2, y2] = [from.x + box, from.y + BOX.height / 2, to.x - 5, to.y + BOX.height / 2];
    const bend = Math.max(24, (x2 - x1) / 2);
    return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  }
  const [x1, y1, x2, y2] = [from.x + box / 2, from.y + BOX.height, to.x + box / 2, to.y - 5];
  const bend = Math.max(18, (y2 - y1) / 2);
  return `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
}
