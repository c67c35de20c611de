// Dialogs: one at a time, closed by Escape, the focus goes back to where it came from.

import { h } from "./dom.js";

export function openDialog(title, content, { closes = true } = {}) {
  const dialog = h("dialog", { "aria-label": title },
    h("header", null, h("h2", null, title), closes && h("button", { type: "button", class: "quiet close", "aria-label": "Close", onclick: () => dialog.close() }, "✕")),
    content);
  const from = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (from?.isConnected) from.focus({ preventScroll: true });
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export function isDialogOpen() {
  return document.querySelector("dialog[open]") !== null;
}

export function field(label, control, hint) {
  return h("label", { class: "field" }, h("span", null, label), control, hint && h("span", { class: "small" }, hint));
}

const ACTOR = "fusebox.actor";

// Who acts: filled in once, remembered for the session.
export function rememberedActor() {
  try {
    return sessionStorage.getItem(ACTOR) ?? "";
  } catch {
    return "";
  }
}

export function rememberActor(name) {
  try {
    sessionStorage.setItem(ACTOR, name);
  } catch {
    // It is asked for again.
  }
}
