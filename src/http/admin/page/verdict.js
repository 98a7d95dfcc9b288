
// --- The verdict: what there is to know at a glance. ------------------------

// Tone, word and sentence for what was heard last.
function verdictOf(state) {
  const { daemon, dependencies } = state;
  if (daemon.broken) return ["error", "Broken", `budgetd itself does not work: ${daemon.broken}. Nothing below can be relied on.`];
  const wrong = dependencies.filter((dependency) => !OFF.includes(dependency.status) && !isUp(dependency));
  const required = wrong.filter(({ policy }) => policy === "required");
  const said = (some) => causes(some, state.blocks);
  switch (daemon.status) {
    case "ok": return ["ok", "Ok", "Everything that is watched is up."];
    case "degraded": return ["failing", "Degraded", ["The API works, but ", ...said(wrong), "."]];
    case "unavailable": return ["error", "Unavailable", ["The API answers 503, because ", ...said(required), "."]];
    case "starting": return ["starting", "Starting", wrong.some(gates)
      ? ["The API's port is shut, because ", ...said(wrong.filter(gates)), "."]
      : "The API's port is about to open."];
    case "draining": return ["blocked", "Draining", "budgetd is stopping: it tells balancers to stay away and finishes what it has begun."];
    default: return ["off", daemon.status, ""];
  }
}

// What is at the bottom of it: what is held back is not its own cause.
function causes(wrong, blocks) {
  const roots = wrong.filter(({ blocked_by: by }) => !by);
  const told = (roots.length ? roots : wrong).slice(0, 3);
  const parts = told.flatMap(({ name, status, since }, index) => {
    const held = blocks.get(name) ?? [];
    const holds = held.length ? `, which holds back ${listed(held, 3)}` : "";
    const between = index === 0 ? "" : "; ";
    return [between, make("strong", {}, name), ` has been ${WORD[status]} for `, ticking(since), holds];
  });
  const more = (roots.length || wrong.length) - told.length;
  return more ? [...parts, `; ${more} more`] : parts;
}

// Tone and words for the gate.
function gateOf({ daemon }) {
  if (["draining", "stopped"].includes(daemon.phase)) return ["blocked", daemon.gate_opened ? "closes for good" : "never opened"];
  if (!daemon.gate_opened) return ["starting", "shut until all is up"];
  return daemon.status === "unavailable" ? ["error", "open, answers 503"] : ["ok", "open"];
}

function showVerdict(state, lostAt) {
  const { daemon, counts } = state;
  let [tone, word, sentence] = verdictOf(state);
  const stopped = lostAt !== null && ["draining", "stopped"].includes(daemon.phase);
  if (lostAt !== null) {
    const heard = `Nothing has been heard since ${clock(new Date(lostAt).toISOString())}. What stands below was true then and may not be now.`;
    [tone, word, sentence] = stopped
      ? ["off", "Stopped", `budgetd was stopping when it was last heard, so it has ended by now. ${heard}`]
      : ["error", "No connection", `budgetd does not answer, or the way to it is cut. ${heard}`];
  }
  const verdict = byId("verdict");
  mark(verdict, "data-tone", tone);
  mark(verdict, "data-lost", lostAt === null ? null : "");
  mark(verdict, "data-loud", tone === "error" && lostAt === null ? "" : null);
  mark(byId("verdict-glyph"), "href", `#glyph-${tone}`);
  say(byId("verdict-word"), word);
  const parts = [sentence].flat();
  renew(byId("verdict-sentence"), parts.map((part) => part.outerHTML ?? part), () => parts);
  document.title = `${word} – budgetd ${location.host}`;
  showIcon(tone);

  const gate = gateOf(state)[1];
  const up = counts.ok + counts.failing;
  const watched = counts.total - counts.disabled - counts.not_configured;
  const facts = [
    ["Up", [`${up} of ${watched}`]],
    ["Phase", [`${daemon.phase} for `, ticking(daemon.phase_since)]],
    ["Gate", daemon.gate_opened_at && daemon.phase === "serving"
      ? [`${gate}, opened `, moment(daemon.gate_opened_at)] : [gate]],
    ["Started", [moment(new Date(Date.parse(daemon.timestamp) - daemon.uptime_seconds * 1000).toISOString())]],
    ["Version", [`${daemon.version}, process ${daemon.pid}`]],
  ];
  const from = [up, watched, daemon.phase, daemon.phase_since, gate, daemon.gate_opened_at, daemon.pid, daemon.version];
  renew(byId("facts"), from, () =>
    facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, ...value))));
}

// The tab says it, too: a shape and a colour.
function showIcon(tone) {
  if (byId("icon").dataset.tone === tone) return;
  const symbol = byId(`glyph-${tone}`).innerHTML.replaceAll('class="mark"', 'fill="none" stroke="#fff" stroke-width="2"');
  const colour = { ok: "#0a6a3c", failing: "#b87400", error: "#b1121c", blocked: "#6a3ca5", starting: "#0b5aa8", off: "#77838f" }[tone];
  const icon = `<svg xmlns="${SVG}" viewBox="0 0 16 16" color="${colour}">${symbol}</svg>`;
  mark(byId("icon"), "href", `data:image/svg+xml,${encodeURIComponent(icon)}`);
  byId("icon").dataset.tone = tone;
}
