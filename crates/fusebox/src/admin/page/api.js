// Requests to the interface this page came from: always relative, with the token if there is one.

const KEY = "fusebox.token";

let token = null;
try {
  token = sessionStorage.getItem(KEY);
} catch {
  // Without a store the token lives as long as the page.
}

export function setToken(secret) {
  token = secret;
  try {
    if (secret) sessionStorage.setItem(KEY, secret);
    else sessionStorage.removeItem(KEY);
  } catch {
    // As above.
  }
}

export function headers(more) {
  return token ? { Authorization: `Bearer ${token}`, ...more } : { ...more };
}

// A refusal, as RFC 9457 has it.
export class Refused extends Error {
  constructor(status, problem) {
    const title = problem?.title ?? `status ${status}`;
    super(problem?.detail ? `${title}: ${problem.detail}` : title);
    this.status = status;
    this.problem = problem;
  }
}

// Names may hold slashes and anything else.
export function inPath(name) {
  return encodeURIComponent(name);
}

export async function read(path) {
  return answered(await fetch(path, { headers: headers({ Accept: "application/json" }), cache: "no-store" }));
}

export async function change(path, order, more) {
  const sent = headers({ Accept: "application/json", "Content-Type": "application/json", ...more });
  return answered(await fetch(path, { method: "POST", headers: sent, body: JSON.stringify(order), cache: "no-store" }));
}

async function answered(response) {
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    if (response.ok) throw new Refused(response.status, { title: "No answer that can be read", detail: "no JSON" });
  }
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}
