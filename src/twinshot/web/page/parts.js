// The page's parts, and what it knows.

export const $ = (id) => document.getElementById(id);

/** Pictures to be made, which one is looked at, and the folder that is sorted before. */
export const state = { pairs: [], current: null, compare: null, sorting: null };

export function say(text) {
  $("say").textContent = text;
}

export function view(name) {
  document.body.dataset.view = name;
  for (const id of ["start", "plan", "work"]) $(id).hidden = name !== id;
}

export function cards(...shown) {
  for (const id of ["progress", "problem", "done", "decided", "adjust"]) $(id).hidden = !shown.includes(id);
}

/** Take away what was said of a preview that failed. */
export function forgetFailures() {
  for (const line of document.querySelectorAll(".failed")) line.hidden = true;
}

/** Lines of a list, each with the class of its item. */
export function fill(id, lines) {
  $(id).replaceChildren(
    ...lines.map(([text, kind]) => {
      const item = document.createElement("li");
      item.textContent = text;
      if (kind) item.className = kind;
      return item;
    }),
  );
}
