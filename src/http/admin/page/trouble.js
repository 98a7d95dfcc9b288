
// --- What is not up: since when, why, whom it holds back, what to do. -------

// Whom each holds back, by way of others, too.
function blocksOf(dependencies) {
  const by = new Map(dependencies.map(({ name, blocked_by: need }) => [name, need]));
  const blocks = new Map();
  for (const { name } of dependencies) {
    let root = by.get(name);
    while (root && by.get(root)) root = by.get(root);
    if (root) blocks.set(root, [...(blocks.get(root) ?? []), name]);
  }
  return blocks;
}

const GRAVITY = ["error", "starting", "failing", "blocked"];
const POLICIES = ["required", "startup", "optional", "disabled"];

function showTrouble(state) {
  // What is held back stands with what holds it back.
  const wrong = state.dependencies.filter(({ status, blocked_by: by }) => GRAVITY.includes(status) && !by);
  const gravity = ({ status, policy }) => GRAVITY.indexOf(status) * 10 + POLICIES.indexOf(policy);
  wrong.sort((a, b) => gravity(a) - gravity(b));
  mark(byId("trouble"), "hidden", wrong.length ? null : "");
  const failing = wrong.every(({ status }) => status === "failing");
  say(byId("trouble-title"), failing ? "Up, but failing" : "Not up");
  keep(byId("trouble-list"), wrong, ({ name }) => name, () => make("li"), (item, dependency) => {
    mark(item, "data-tone", toneOf(dependency.status));
    const blocks = state.blocks.get(dependency.name) ?? [];
    const { status, since, error, error_kind: errorKind, policy, url } = dependency;
    renew(item, [status, since, error, errorKind, policy, url, blocks], () => card(dependency, blocks));
    // Counts go on all the time, and nobody's focus may be lost for them.
    const checks = item.querySelector(".checks");
    if (checks) say(checks, `${counted(dependency.failures, "failure")} in a row, ${counted(dependency.attempts, "check")} since the start`);
  });
}

function card(dependency, blocks) {
  const { name, status, policy, kind, url, since, error, error_kind: errorKind, hint } = dependency;
  const lines = [
    make("h3", {}, glyph(toneOf(status)), linkTo(name), make("span", { class: "word" }, WORD[status]),
      make("span", { class: "small" }, `${policy} · ${kind}${url ? ` · ${url}` : ""}`)),
    make("p", {}, "for ", ticking(since), ", since ", moment(since)),
  ];
  if (status === "blocked") lines.push(make("p", {}, "what it needs is back; it is being checked"));
  if (error) {
    lines.push(make("p", {}, make("span", { class: "said" }, error), " ", make("span", { class: "small" }, errorKind)));
    // Commands stand between backticks.
    const parts = hint.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
    lines.push(make("p", { class: "hint" }, ...parts));
  }
  if (blocks.length) lines.push(make("p", {}, glyph("blocked"), " holds back ", ...linked(blocks)));
  if (status !== "blocked") lines.push(make("p", { class: "small checks" }));
  return lines;
}

const linked = (names) => names.flatMap((name, index) => (index ? [", ", linkTo(name)] : [linkTo(name)]));
