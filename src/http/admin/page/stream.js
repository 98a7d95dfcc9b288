
// --- The stream: what is heard becomes what is seen. ------------------------

// The daemon speaks every two seconds.
const SILENCE = 6000;
const GIVE_UP = 20000;
const state = { daemon: null, counts: null, dependencies: [], timeline: [], blocks: new Map() };
let source = null;
let heardAt = null;
let heardTick = performance.now();
let lost = false;

function listen() {
  source?.close();
  heardTick = performance.now();
  source = new EventSource("status/stream");
  source.addEventListener("state", ({ data }) => hear(JSON.parse(data), true));
  source.addEventListener("change", ({ data }) => hear(JSON.parse(data), false));
  source.addEventListener("error", () => {
    lose();
    // It comes back by itself unless it was refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}

function hear({ counts, dependencies, timeline, ...daemon }, isWhole) {
  const regained = lost && heardAt !== null;
  const first = heardAt === null;
  lost = false;
  frozenAt = null;
  heardAt = Date.parse(daemon.timestamp);
  heardTick = performance.now();
  ahead = heardAt - Date.now();

  const restarted = state.daemon && state.daemon.pid !== daemon.pid;
  const known = new Map(isWhole ? [] : state.dependencies.map((dependency) => [dependency.name, dependency]));
  for (const dependency of dependencies) remember(dependency, known.get(dependency.name));
  const changed = new Map(dependencies.map((dependency) => [dependency.name, dependency]));
  state.dependencies = isWhole ? dependencies : state.dependencies.map((old) => changed.get(old.name) ?? old);
  const last = isWhole ? 0 : state.timeline.at(-1)?.number ?? 0;
  const events = timeline.filter(({ number }) => number > last);
  const unheard = restarted ? 0 : state.timeline.at(-1)?.number ?? 0;
  state.timeline = [...(isWhole ? [] : state.timeline), ...events].slice(-REMEMBERED_MOMENTS);
  Object.assign(state, { daemon, counts, blocks: blocksOf(state.dependencies) });
  show();
  if (regained) announce(`Connected again. ${byId("verdict-word").textContent}.`);
  else if (!first) news(events.filter(({ number }) => number > unheard));
}

function lose() {
  if (lost) return;
  lost = true;
  frozenAt = heardAt;
  show();
  tick();
  if (heardAt !== null) announce(byId("verdict-word").textContent);
}

function show() {
  mark(document.body, "data-stale", lost ? "" : null);
  mark(byId("connection"), "data-tone", lost ? "error" : "ok");
  say(byId("connection-text"), lost ? "no connection, trying again" : "live");
  if (!state.daemon) {
    if (lost) say(byId("verdict-sentence"), "budgetd does not answer, or too many of these pages are open; trying again.");
    return;
  }
  showVerdict(state, lost ? heardAt : null);
  showTrouble(state);
  drawGraph(state);
  showTable(state);
  showTimeline(state);
}

say(byId("where"), location.host);
say(byId("origin"), location.origin);
byId("timeline-more").addEventListener("click", () => {
  showsAll = !showsAll;
  showTimeline(state);
});
new ResizeObserver(() => state.daemon && drawGraph(state)).observe(byId("graph"));
setInterval(() => {
  const silent = performance.now() - heardTick;
  if (silent > GIVE_UP) listen();
  if (silent > SILENCE) lose();
  if (!lost) tick();
}, 1000);
listen();
