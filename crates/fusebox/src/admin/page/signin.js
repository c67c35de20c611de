// A token, where one is needed. It stays in this tab.

import { h, setText } from "./dom.js";
import { Refused, read, setToken } from "./api.js";
import { field, openDialog } from "./dialog.js";

let asking = null;

// Resolves once a token has been accepted; asked for by several, it is asked once.
export function signIn(problem) {
  asking ??= ask(problem).finally(() => {
    asking = null;
  });
  return asking;
}

function ask(problem) {
  return new Promise((resolve) => {
    const secret = h("input", { type: "password", name: "token", autocomplete: "off", spellcheck: "false", required: true });
    const error = h("p", { class: "failed", role: "alert", hidden: true });
    const button = h("button", { type: "submit", class: "primary" }, "Sign in");
    const submit = async (event) => {
      event.preventDefault();
      button.disabled = true;
      setToken(secret.value.trim());
      try {
        await read("whoami");
        done = true;
        dialog.close();
        resolve();
      } catch (refused) {
        setToken(null);
        error.hidden = false;
        setText(error, refused instanceof Refused && refused.status === 401 ? "This token is not accepted." : refused.message);
      } finally {
        button.disabled = false;
      }
    };
    let done = false;
    // Nothing can be seen without one: it has no way around.
    const dialog = openDialog("Sign in", h("form", { onsubmit: submit },
      h("p", null, problem?.message ?? "This interface asks for a token."),
      field("Token", secret, "One of those that this interface was given. It is kept in this tab only."),
      error, h("div", { class: "buttons" }, button)), { closes: false });
    dialog.addEventListener("cancel", (event) => !done && event.preventDefault());
    dialog.addEventListener("close", () => !done && resolve());
    secret.focus();
  });
}
