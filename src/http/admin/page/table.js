
// --- All dependencies, in words. ---------------------------------------------

function showTable(state) {
  const { counts, dependencies } = state;
  const parts = Object.keys(WORD).filter((status) => counts[status]).map((status) => `${counts[status].toLocaleString("en")} ${WORD[status]}`);
  const hidden = counts.total - dependencies.length;
  const only = hidden ? ` Only ${dependencies.length.toLocaleString("en")} that are not ok are shown here and in the graph.` : "";
  say(byId("counts"), `${counted(counts.total, "dependency", "dependencies")}: ${listed(parts, 7)}.${only}`);
  const neededBy = new Map();
  for (const { name, needs } of dependencies) {
    for (const need of needs) neededBy.set(need, [...(neededBy.get(need) ?? []), name]);
  }
  keep(byId("rows"), dependencies, ({ name }) => name, beginRow, (row, dependency) => {
    const [, status, latency, needs, needed] = row.children;
    mark(row, "data-tone", toneOf(dependency.status));
    renew(row.firstElementChild, [dependency.kind, dependency.policy, dependency.url], () => [
      make("span", { class: "name" }, dependency.name),
      make("span", { class: "small" }, `${dependency.policy} · ${dependency.kind}`),
      make("span", { class: "small" }, dependency.url),
    ]);
    const { status: word, since, note, blocked_by: by, error } = dependency;
    if (renew(status, [word, since, note, by, error], () => statusCell(dependency))) glow(row, word);
    renew(latency, dependency.latencies_taken, () => (OFF.includes(word) ? [] : sparkline(dependency.latencies)));
    showList(needs, dependency.needs);
    showList(needed, neededBy.get(dependency.name) ?? []);
    mark(latency, "class", OFF.includes(word) ? "empty" : null);
  });
}

function beginRow({ name }) {
  const cell = (label) => make("td", { role: "cell", "data-label": label });
  return make("tr", { role: "row", id: `d-${name}`, tabindex: "-1" },
    make("th", { role: "rowheader", scope: "row" }), cell(null), cell("Latency"), cell("Needs"), cell("Needed by"));
}

function statusCell({ status, since, note, blocked_by: by, error }) {
  const off = OFF.includes(status);
  return [
    make("span", { class: "status" }, glyph(toneOf(status)), WORD[status]),
    off ? null : make("div", { class: "small" }, "for ", ticking(since), ", ", make("span", { class: "nowrap" }, "since ", moment(since))),
    by ? make("div", { class: "small" }, "waits for ", linkTo(by)) : null,
    error && !by ? make("div", { class: "small" }, error) : null,
    note ? make("div", { class: "small" }, note) : null,
  ];
}

function showList(cell, names) {
  mark(cell, "class", names.length ? null : "empty");
  renew(cell, names, () => (names.length ? [make("span", { class: "list" }, ...names.map(linkTo))] : [make("span", { class: "small" }, "–")]));
}

// Shows for a moment that a status has changed.
function glow(row, status) {
  if (row.shown === status) return;
  row.shown = status;
  row.classList.remove("fresh");
  void row.offsetWidth;
  row.classList.add("fresh");
}
