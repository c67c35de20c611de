// Numbers, spans and moments as people read them. Units stand behind a no-break space.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const NONE = "–";

export function count(number) {
  return number === null || number === undefined ? NONE : WHOLE.format(number);
}

// Of something per second.
export function rate(number) {
  if (number === null || number === undefined) return NONE;
  return number > 0 && number < 9.95 ? TENTHS.format(number) : WHOLE.format(number);
}

export function share(part) {
  if (part === null || part === undefined) return NONE;
  const percent = part * 100;
  return `${percent > 0 && percent < 0.95 ? TENTHS.format(percent) : WHOLE.format(percent)}\u00a0%`;
}

// A span as one or two units: "12 s", "3 min 12 s", "2 h 05 min", "4 d 3 h".
export function span(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [minutes, hours, days] = [Math.floor(whole / 60), Math.floor(whole / 3600), Math.floor(whole / 86400)];
  if (days > 0) return `${days}\u00a0d ${hours % 24}\u00a0h`;
  if (hours > 0) return `${hours}\u00a0h ${two(minutes % 60)}\u00a0min`;
  if (minutes > 0) return `${minutes}\u00a0min ${two(whole % 60)}\u00a0s`;
  return `${whole}\u00a0s`;
}

// What remains: rounded up, so that it is 0 only when it is over.
export function remaining(seconds) {
  return span(Math.ceil(Math.max(0, seconds)));
}

// What something took: "80 µs", "4.2 ms", "1.20 s".
export function took(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds >= 100) return span(seconds);
  if (seconds >= 1) return `${seconds.toFixed(2)}\u00a0s`;
  const millis = seconds * 1e3;
  if (millis >= 1) return `${millis >= 10 ? WHOLE.format(millis) : TENTHS.format(millis)}\u00a0ms`;
  return `${WHOLE.format(seconds * 1e6)}\u00a0µs`;
}

// A moment in the reader's own time zone; the day beside it when it is not today.
export function clock(date) {
  if (date === null || date === undefined) return NONE;
  const at = new Date(date);
  if (Number.isNaN(at.getTime())) return NONE;
  const today = at.toDateString() === new Date().toDateString();
  return today ? CLOCK.format(at) : `${DAY.format(at)} ${CLOCK.format(at)}`;
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

// "half_open" → "half-open"; names of modes and actions read as words.
export function words(name) {
  return name === "half_open" ? "half-open" : String(name ?? NONE).replaceAll("_", " ");
}
