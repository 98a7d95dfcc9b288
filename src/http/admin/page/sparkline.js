
// --- The sparkline: how long the last checks took. --------------------------

const REMEMBERED = 120;

function remember(dependency, known) {
  const { latencies, latencies_taken: taken } = dependency;
  const continues = known && known.latencies_taken + latencies.length === taken;
  const all = continues ? [...known.latencies, ...latencies] : latencies;
  dependency.latencies = all.slice(-REMEMBERED);
}

function sparkline(latencies) {
  const values = latencies.filter((value) => value !== null);
  const gaps = latencies.length - values.length;
  const sorted = values.toSorted((a, b) => a - b);
  const [median, most] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  const failed = gaps ? `, ${counted(gaps, "gap")} where checks failed` : "";
  const label = values.length
    ? `the last ${counted(values.length, "check")}: median ${milliseconds(median)}, slowest ${milliseconds(most)}${failed}`
    : "no check has passed yet";
  // The newest is on the right; a few checks are not stretched to many.
  const span = Math.max(30, latencies.length);
  const x = (index) => span - latencies.length + index + 0.5;
  const y = (value) => Math.round((30 - (28 * value) / (most || 1)) * 100) / 100;
  let line = "";
  let marks = "";
  latencies.forEach((value, index) => {
    if (value === null) marks += `M${x(index)} 2V30`;
    else line += `${(latencies[index - 1] ?? null) === null ? "M" : "L"}${x(index)} ${y(value)}h.01`;
  });
  return [
    draw("svg", { class: "spark", role: "img", "aria-label": label, viewBox: `0 0 ${span} 32`, preserveAspectRatio: "none" },
      draw("title", {}, label), draw("path", { class: "ground", d: `M0 31H${span}` }), draw("path", { class: "gap", d: marks }), draw("path", { d: line })),
    make("span", { class: "small" }, ...(values.length
      ? [unbroken(`median ${milliseconds(median)}`), ", ", unbroken(`slowest ${milliseconds(most)}`)] : ["none yet"])),
  ];
}
