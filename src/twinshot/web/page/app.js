// The page: photographs in, progress, before and after, download. Here buttons, keys and drops are led to what they do.

import { dropped } from "/page/files.js";
import { $, state } from "/page/parts.js";
import { again, back, options, quick, saveAll } from "/page/restore.js";
import { downloads, draw, refresh } from "/page/show.js";
import { asOne, begin, cancel, example, pictureOf, restart, take } from "/page/take.js";
import { signIn, start } from "/page/token.js";

const STILL_WANTED = 300_000; // ms: the server removes what nobody has asked for in half an hour

const click = (id, act) => $(id).addEventListener("click", act);

click("choose", () => $("files").click());
click("choose-folder", () => $("folder").click());
click("example", example);
click("restart", restart);
click("new", restart);
click("cancel", cancel);
click("again", again);
click("back", back);
click("retry", () => state.retry());
click("restore-all", () => begin(state.sorting.plan.pictures.map(pictureOf)));
click("as-one", asOne);
for (const id of ["stop-looking", "other-files"]) click(id, restart);
click("save-all", saveAll);
setInterval(() => state.pairs.forEach(refresh), STILL_WANTED);
click("quick", () => quick($("quick"), {}));
click("try", () => quick($("try"), options()));
click("fit", () => state.compare.zoomTo(0));
click("full", () => state.compare.zoomTo(1));
click("double", () => state.compare.zoomTo(2));
for (const id of ["files", "folder"]) $(id).addEventListener("change", (event) => take(event.target.files));
for (const radio of document.querySelectorAll("[name=before]")) radio.addEventListener("change", () => draw(state.current));
$("brighten").addEventListener("change", () => draw(state.current));
for (const id of ["format", "quality"]) $(id).addEventListener("input", () => downloads(state.current.job));
$("trust").addEventListener("change", () => draw(state.current));
$("strength").addEventListener("input", (event) => ($("strength-shown").value = `${Math.round(100 * event.target.value)} %`));
$("divider").addEventListener("input", (event) => ($("slider").value = event.target.value));
$("slider").addEventListener("slide", () => ($("divider").value = $("slider").value));
$("sign-in").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn($("token").value);
});

document.addEventListener("keydown", (event) => {
  if ($("work").hidden || event.target.closest("input, select, dialog") || event.ctrlKey || event.metaKey) return;
  const zoom = { 0: 0, 1: 1, 2: 2 }[event.key];
  if (zoom !== undefined && state.compare) state.compare.zoomTo(zoom);
});

const bearsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
document.addEventListener("dragover", (event) => {
  if (!bearsFiles(event)) return;
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", async (event) => {
  if (!bearsFiles(event)) return;
  event.preventDefault();
  document.body.classList.remove("dragging");
  take(await dropped(event.dataTransfer));
});

const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  history.replaceState(null, "", "/");
  signIn(token);
} else {
  start();
}
