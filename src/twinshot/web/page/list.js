// The list of several pictures.

import { $, state } from "/page/parts.js";

/** All pictures and how far each is; `choose` is told which one is to be looked at. */
export function list(choose) {
  $("batch").hidden = state.pairs.length < 2;
  const done = state.pairs.filter(isDone).length;
  $("batch-title").textContent = `${done} of ${state.pairs.length} pictures done`;
  $("save-all").hidden = done < 2;
  $("save-all").textContent = `Download ${done === state.pairs.length ? "all" : `these ${done}`}`;
  $("pairs").replaceChildren(
    ...state.pairs.map((pair) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-current", String(pair === state.current));
      const [name, how] = [document.createElement("span"), document.createElement("span")];
      name.textContent = pair.name;
      how.textContent = pair.refusal ? "Failed" : { done: "Done", running: "Running" }[pair.job?.state] ?? "Waiting";
      how.className = pair.refusal ? "state failed" : "state";
      button.append(name, how);
      button.addEventListener("click", () => choose(pair));
      item.append(button);
      return item;
    }),
  );
}

export const isDone = (pair) => pair.job?.state === "done" && !pair.refusal;
