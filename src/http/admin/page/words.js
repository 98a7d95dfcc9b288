
// --- Words: what statuses are called, and how times are told. ---------------

const WORD = {
  ok: "up", failing: "failing", error: "down", blocked: "blocked",
  starting: "starting", disabled: "disabled", not_configured: "not configured",
};
const OFF = ["disabled", "not_configured"];
const toneOf = (status) => (OFF.includes(status) ? "off" : status);
const isUp = (dependency) => ["ok", "failing"].includes(dependency.status);
const gates = (dependency) => ["required", "startup"].includes(dependency.policy);

// How far the daemon's clock is ahead of this one, in milliseconds.
let ahead = 0;
// While nothing is heard, time stands still: nobody knows what goes on.
let frozenAt = null;
const now = () => frozenAt ?? Date.now() + ahead;

function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [days, hours, minutes] = [86400, 3600, 60].map((unit) => Math.floor(seconds / unit));
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  if (minutes) return minutes < 10 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  return `${seconds} s`;
}

const sinceThen = (iso) => duration(now() - Date.parse(iso));

// The reader's own time of day; with the date unless it is today's.
function clock(iso) {
  const date = new Date(iso);
  const two = (number) => String(number).padStart(2, "0");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  if (date.toDateString() === new Date(now()).toDateString()) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

const milliseconds = (value) => `${value >= 100 ? Math.round(value) : value} ms`;

function listed(names, most = 5) {
  const shown = names.slice(0, most);
  if (names.length > most) shown.push(`${names.length - most} more`);
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}

const counted = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
