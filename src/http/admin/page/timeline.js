
// --- The last transitions, the newest first. --------------------------------

const REMEMBERED_MOMENTS = 200;
const SHOWN_MOMENTS = 15;
let showsAll = false;

function sentenceOf({ transition, blocked_by: by }) {
  switch (transition) {
    case "ready": return "came up";
    case "recovered": return "is up again";
    case "failing": return "failed a check";
    case "down": return "went down";
    case "blocked": return by ? `is held back by ${by}` : "is held back";
    default: return transition;
  }
}

// The daemon's own steps stand among those of its dependencies.
function steps({ daemon }) {
  const own = [];
  if (daemon.gate_opened_at) own.push({ number: "gate", at: daemon.gate_opened_at, tone: "ok", words: "The gate opened: the API accepts" });
  if (daemon.phase === "draining") own.push({ number: "drain", at: daemon.phase_since, tone: "blocked", words: "Shutdown began: draining" });
  return own;
}

function showTimeline(state) {
  const all = [...state.timeline, ...steps(state)].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : b.number - a.number || 0));
  const shown = showsAll ? all : all.slice(0, SHOWN_MOMENTS);
  mark(byId("timeline-none"), "hidden", all.length ? "" : null);
  keep(byId("timeline"), shown, ({ number }) => number, beginMoment, () => {});
  const more = byId("timeline-more");
  mark(more, "hidden", all.length > SHOWN_MOMENTS ? null : "");
  mark(more, "aria-expanded", String(showsAll));
  say(more, showsAll ? "Show fewer" : `Show all ${all.length}`);
}

function beginMoment(event) {
  const { at, words, dependency, status, error, transition } = event;
  const tone = event.tone ?? toneOf(status);
  const text = words
    ? make("span", {}, words)
    : make("span", {}, linkTo(dependency), ` ${sentenceOf(event)}`,
      error && ["failing", "down"].includes(transition) ? make("span", { class: "said" }, error) : null);
  return make("li", { "data-tone": tone }, moment(at), glyph(tone), text);
}

// What people who listen are told; a failed check that changes nothing is not.
function news(events) {
  const told = events.filter(({ transition }) => transition !== "failing");
  const sentences = told.slice(-3).map((event) => `${event.dependency} ${sentenceOf(event)}`);
  const before = told.length > 3 ? `${told.length - 3} more transitions. ` : "";
  if (told.length) announce(`${before}${sentences.join(". ")}.`);
}

const announce = (text) => say(byId("news"), text);
