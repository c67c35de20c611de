// Puts the parts together: the stream feeds the store, the store tells the parts, a clock moves what only time changes.

import { byId, setAttribute } from "./dom.js";
import { read } from "./api.js";
import { Announcer } from "./announce.js";
import { Banner } from "./banner.js";
import { Board } from "./board.js";
import { Events } from "./events.js";
import { Freshness } from "./freshness.js";
import { Keys } from "./keys.js";
import { takeInHand } from "./actions.js";
import { Panel } from "./detail.js";
import { Queue } from "./queue.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { go, readRoute } from "./route.js";
import { paintHeadline } from "./headline.js";
import { signIn } from "./signin.js";

const TICK_MS = 250;

let me = null;
const mayAct = () => me === null || me.scope === "operate";
const act = (name, action) => takeInHand(name, action, { actor: me?.authentication === "token" ? me.name : null });

const store = new Store();
const announcer = new Announcer();
const board = new Board(store);
const banner = new Banner((name) => act(name, "release"));
const panel = new Panel(store, { act, mayAct, close: () => go("#/") });
const events = new Events(store, mayAct);
const queue = new Queue(store, { mayAct, actor: () => (me?.authentication === "token" ? me.name : null) });
const views = { board, queue, events };
const stream = new Stream({ heard: (event) => store.take(event), status: (state, more) => freshness.status(state, more), signIn });
const freshness = new Freshness(() => stream.hurry(), (sentence) => announcer.say(sentence));
new Keys(board);

let route = null;

function show() {
  const before = route;
  route = readRoute();
  for (const name of Object.keys(views)) byId(name).hidden = name !== route.view;
  for (const link of document.querySelectorAll("nav a")) setAttribute(link, "aria-current", link.dataset.view === route.view ? "page" : null);
  panel.open(route.circuit);
  board.point(route.circuit);
  if (before?.view !== route.view) views[route.view].open?.();
  // Back from a circuit: the focus returns to its row.
  if (before?.circuit && !route.circuit && route.view === "board") board.goTo(before.circuit);
}

function tick() {
  const now = performance.now();
  freshness.paint(store, now);
  paintHeadline(store, freshness.link(store.heardAt, now), now);
  // What is out of date does not count on.
  if (freshness.state !== "live" || document.hidden) return;
  banner.paint(store.overrides, now);
  if (route.view === "board") board.tick(now);
  panel.tick(now);
}

async function introduce() {
  try {
    me = await read("whoami");
  } catch (error) {
    if (error.status === 401) return signIn(error).then(introduce);
  }
  return remember();
}

// What happened before this page was opened, or the server started; a server that keeps no such list goes without.
async function remember() {
  const past = await read("history?limit=500").catch(() => null);
  if (past) store.addHistory(past.events);
}

store.addEventListener("rows", ({ detail }) => {
  board.changed(detail.names);
  tick();
});
store.addEventListener("log", ({ detail }) => {
  if (detail.live) announcer.events(detail.events);
  panel.happened(detail.events);
  if (route.view === "events") events.paint();
});
store.addEventListener("restarted", remember);
addEventListener("hashchange", show);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) board.changed(null);
});
addEventListener("online", () => stream.hurry());
setInterval(tick, TICK_MS);
setInterval(() => {
  board.scroll();
  board.paint(performance.now());
}, 2000);

show();
introduce();
stream.run();
