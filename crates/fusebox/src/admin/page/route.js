// Where in the page one is, in the address: it can be linked, and Back goes back.

export function circuitHash(name) {
  return `#/circuit/${encodeURIComponent(name)}`;
}

// { view: "board" | "queue" | "events", circuit: name | null }
export function readRoute(hash = location.hash) {
  const path = hash.replace(/^#\/?/, "");
  if (path === "queue" || path === "events") return { view: path, circuit: null };
  const name = path.startsWith("circuit/") ? decoded(path.slice("circuit/".length)) : null;
  return { view: "board", circuit: name };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function go(hash) {
  if (location.hash !== hash) location.hash = hash;
}
