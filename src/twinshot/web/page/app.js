// The page: photographs in, progress, before and after, download.

import * as api from "/page/api.js";
import { dropped, nameOf, photographs, sorted } from "/page/files.js";
import { Compare } from "/page/viewer.js";
import * as words from "/page/words.js";

const $ = (id) => document.getElementById(id);
const QUICK = 768; // px a side of a quick preview: about a second
const MOST_FRAMES = 17; // of one picture: 16 short ones and the long one
const MOST_ZIPPED = 250;
const STILL_WANTED = 300_000; // ms: the server removes what nobody has asked for in half an hour

/** Pictures to be made, which one is looked at, and the folder that is sorted before. */
const state = { pairs: [], current: null, compare: null, sorting: null };

function say(text) {
  $("say").textContent = text;
}

function view(name) {
  document.body.dataset.view = name;
  for (const id of ["start", "plan", "work"]) $(id).hidden = name !== id;
}

function cards(...shown) {
  for (const id of ["progress", "problem", "done", "decided", "adjust"]) $(id).hidden = !shown.includes(id);
}

// Photographs in

function take(files) {
  const given = photographs(files);
  if (given.length < 2) complain("Two photographs are needed", "Choose a short and a long exposure of the same scene, both at once.");
  else if (given.length === 2) begin([pictureOf({ files: given })]);
  else sort(given);
}

const pictureOf = (one) => ({ ...one, name: nameOf(one), job: null, refusal: null });

async function begin(pairs) {
  for (const pair of state.pairs) leave(pair);
  state.pairs = pairs;
  view("work");
  $("batch").hidden = pairs.length < 2;
  look(pairs[0]);
  await api.twoAtATime(pairs, (pair) => pair.left || run(pair, () => api.restore(pair.files, pair.roles)));
}

// A folder, or many photographs

/** Look at them all, show what belongs together, and restore it when told so; a burst alone needs no question. */
async function sort(files) {
  const turn = (state.sorting = { files });
  const given = () => state.sorting !== turn;
  view("plan");
  $("found").hidden = true;
  $("looking").hidden = false;
  say("Looking at the photographs");
  try {
    const plan = await sorted(files, (count, all) => looked(count, all), given);
    if (given()) return;
    turn.plan = plan;
    const whole = plan.pictures.length === 1 && plan.pictures[0].files.length === files.length;
    if (whole) asOne();
    else showPlan(plan, files);
  } catch (refusal) {
    if (!(refusal instanceof api.Refusal)) throw refusal;
    if (!given()) fail(refusal, null, () => sort(files));
  }
}

function looked(count, all) {
  $("looked").max = all;
  $("looked").value = count;
  $("looked-text").textContent = `${count} of ${all}`;
}

const many = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

function showPlan({ pictures, alone, unreadable }, files) {
  const left = [
    ...pictures.flatMap((one) => one.unused.map((file) => [file.name, "has another exposure than the frames that are used"])),
    ...alone.map((file) => [file.name, "has no partner: no other photograph here shows the same scene"]),
    ...unreadable.map(([file, reason]) => [file.name, reason.replace(`${file.name}: `, "")]),
  ];
  $("looking").hidden = true;
  $("found").hidden = false;
  $("found-title").textContent = pictures.length
    ? `${many(pictures.length, "picture")} from ${many(files.length, "file")}`
    : "No two of these show the same scene";
  $("found-pictures").replaceChildren(...pictures.map(planned));
  $("left-over").hidden = !left.length;
  $("left-files").replaceChildren(...left.map(([name, why]) => entry(name, why)));
  $("restore-all").hidden = !pictures.length;
  $("restore-all").textContent = pictures.length === 1 ? "Restore this picture" : `Restore all ${pictures.length}`;
  $("as-one").hidden = files.length > MOST_FRAMES;
  $("found-title").focus();
}

function planned({ files, roles }) {
  const names = files.map((file) => file.name);
  const long = roles?.at(-1) === "long" ? names.at(-1) : null;
  const short = long ? names.slice(0, -1) : names;
  if (!roles) return entry(names.join(" + "), "which one is short shows when they are read");
  const first = short.length > 1 ? `${short.length} short ones, merged, ` : "a short one ";
  return entry(names.join(" + "), first + (long ? "and a long one" : "without a long one"));
}

function entry(text, more) {
  const [item, name, what] = ["li", "strong", "span"].map((kind) => document.createElement(kind));
  name.textContent = text;
  what.textContent = more;
  item.append(name, what);
  return item;
}

function asOne() {
  begin([pictureOf({ files: state.sorting.files })]);
}

function leave(pair) {
  pair.left = true;
  if (pair.job) api.remove(pair.job.id).catch(() => {});
}

// One restoration

/** Send and follow it; a full queue is waited for. */
async function run(pair, send) {
  Object.assign(pair, { refusal: null, send, job: null });
  pair.sending = true;
  draw(pair);
  try {
    const job = await api.patiently(send, () => pair.left);
    pair.sending = false;
    if (pair.left) {
      api.remove(job.id).catch(() => {});
      return;
    }
    if (pair.older) api.remove(pair.older).catch(() => {});
    pair.older = null;
    pair.job = job;
    await api.watch(job.id, (seen) => {
      pair.job = seen;
      draw(pair);
    });
    if (pair.job.state === "failed") pair.refusal = new api.Refusal(pair.job.problem.title, pair.job.problem.detail, pair.job.problem.status);
  } catch (refusal) {
    if (!(refusal instanceof api.Refusal)) throw refusal;
    pair.refusal = refusal;
  }
  pair.sending = false;
  draw(pair);
}

// What is seen

function look(pair) {
  state.current = pair;
  $("wait").hidden = false;
  draw(pair);
}

function draw(pair) {
  list();
  if (pair !== state.current || pair.left) return;
  if (pair.refusal) fail(pair.refusal, pair);
  else if (pair.job?.state === "done") finished(pair);
  else working(pair);
}

function complain(title, detail) {
  fail(new api.Refusal(title, detail, 400), null);
}

/** Say what went wrong; `retry` does it again, where that may help. */
function fail(refusal, pair, retry = pair?.send && (() => run(pair, pair.send))) {
  state.retry = retry;
  if (refusal.status === 401) {
    askForToken();
    return;
  }
  view("work");
  cards("problem");
  if (!pair) state.current = null;
  $("bar").hidden = $("view").hidden = !pair?.job?.size;
  document.querySelector(".divider").hidden = $("view").hidden;
  $("problem-title").textContent = refusal.title;
  $("problem-detail").textContent = refusal.message;
  $("retry").hidden = !(retry && ([0, 404, 429].includes(refusal.status) || refusal.status >= 500));
  say(`${refusal.title}. ${refusal.message}`);
}

function working(pair) {
  const { job } = pair;
  showViewer();
  cards("progress");
  const text = pair.sending || !job ? "Sending" : words.stage(job);
  if ($("stage").textContent !== text) {
    $("stage").textContent = text;
    say(text);
  }
  $("left").textContent = job ? words.timeLeft(job) : "";
  if (job?.stage === "restoring") $("meter").value = job.progress;
  else $("meter").removeAttribute("value");
  $("quick").hidden = !job?.size;
  if (job?.size) compareWith(job, "short", "Short");
}

function showViewer() {
  $("bar").hidden = $("view").hidden = false;
  document.querySelector(".divider").hidden = false;
  state.compare ??= new Compare($("before"), $("after"), (times) => {
    $("zoom").textContent = `${Math.round(100 * times)} %`;
  });
  window.compare = state.compare; // for tests, and for who looks into the console
}

/** The chosen photograph on the left, `layer` on the right. */
async function compareWith(job, layer, name) {
  const chosen = document.querySelector("[name=before]:checked").value;
  const paired = job.roles.includes("long");
  const before = !paired ? "short" : layer === "short" ? "long" : chosen;
  $("against").hidden = !paired;
  const shift = before === "long" && job.report?.registered ? job.report.shift : [0, 0];
  $("tag-before").textContent = before === "short" ? "Short" : "Long";
  $("tag-after").textContent = name;
  await Promise.all([
    state.compare.show("before", job.id, before, job.size, shift),
    state.compare.show("after", job.id, layer, job.size),
  ]);
  const times = job.report && job.options.light !== "short" ? words.gain(job.report) : 1;
  $("brighten-label").hidden = !(times > 1.3 && before === "short");
  const bright = $("brighten").checked && times > 1.3 && before === "short";
  const factor = job.report?.tone === "encoded gain" ? times : times ** (1 / 2.2); // as pixels store what is linear
  state.compare.filter("before", bright ? `brightness(${factor.toFixed(2)})` : "");
  $("wait").hidden = true;
}

function finished(pair) {
  const { job } = pair;
  showViewer();
  const before = !$("done").hidden;
  cards("done", "decided", "adjust");
  const trust = Boolean(job.options.trust_map);
  $("trust-label").hidden = !trust;
  if (trust && $("trust").checked) compareWith(job, "trust", "White: from the long one");
  else compareWith(job, "result", "Result");
  fill("warnings", words.warnings(job.report).map((text) => [text, ""]));
  fill("words", words.sentences(job.report, job.options));
  downloads(job);
  roles(job);
  if (!before) {
    say("Your picture is ready.");
    if (pair.asked) $("done-title").focus();
  }
}

function fill(id, lines) {
  $(id).replaceChildren(
    ...lines.map(([text, kind]) => {
      const item = document.createElement("li");
      item.textContent = text;
      if (kind) item.className = kind;
      return item;
    }),
  );
}

function downloads(job) {
  const format = $("format").value;
  const quality = $("quality").value;
  $("quality-label").hidden = !["jpeg", "webp"].includes(format);
  $("quality-shown").value = quality;
  $("save-8").href = api.resultUrl(job.id, format, 8, quality);
  $("save-16").href = api.resultUrl(job.id, format, 16, quality);
  $("save-16").hidden = !["png", "tiff"].includes(format);
}

/** Which photograph is the long one, to be changed. */
function roles(job) {
  const choices = job.photos.map((name, place) => new Option(name, place));
  $("long-is").replaceChildren(...choices, new Option("none of them", "none"));
  $("long-is").value = found(job);
}

const found = (job) => (job.roles.includes("long") ? String(job.roles.indexOf("long")) : "none");

function list() {
  if (state.pairs.length < 2) return;
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
      button.addEventListener("click", () => look(pair) || refresh(pair));
      item.append(button);
      return item;
    }),
  );
}

const isDone = (pair) => pair.job?.state === "done" && !pair.refusal;

/** Whether a result is still there; asking keeps it there. */
async function refresh(pair) {
  if (!isDone(pair)) return;
  try {
    await api.show(pair.job.id);
  } catch (refusal) {
    if (refusal.status !== 404) return;
    pair.refusal = new api.Refusal("This picture was removed", "The server made room for later ones. Restore it again, and save it sooner.", 404);
    draw(pair);
  }
}

/** All results that are there, as ZIP files. */
async function saveAll() {
  await Promise.all(state.pairs.map(refresh));
  const ids = state.pairs.filter(isDone).map((pair) => pair.job.id);
  for (let first = 0; first < ids.length; first += MOST_ZIPPED) {
    const link = document.createElement("a");
    link.href = api.archiveUrl(ids.slice(first, first + MOST_ZIPPED), $("format").value, $("quality").value);
    link.download = "";
    link.click();
  }
}

/** The model, and the knobs that were turned. */
function options() {
  const strength = $("strength").value;
  const knobs = { strength, colour_strength: strength, light: $("light").value, tone: $("tone").value };
  if (Number(strength) === 1) knobs.strength = knobs.colour_strength = "";
  return { model: $("model").value, ...Object.fromEntries(Object.entries(knobs).filter(([, value]) => value)) };
}

async function quick(button, chosen) {
  const { current, compare } = state;
  const text = button.textContent;
  button.disabled = true;
  button.textContent = "Restoring this part…";
  const box = compare.visible(QUICK);
  try {
    compare.overlay("after", await api.quick(current.job.id, box, chosen), box);
    $("tag-after").textContent = "Preview in the middle";
  } catch (refusal) {
    say(refusal.message);
    $("left").textContent = refusal.message;
  } finally {
    button.disabled = false;
    button.textContent = text;
  }
}

// Signing in

function askForToken() {
  $("wrong").textContent = "";
  if (!$("sign-in").open) $("sign-in").showModal();
}

async function signIn(token) {
  try {
    await api.signIn(token);
  } catch (refusal) {
    $("wrong").textContent = refusal.message;
    return;
  }
  $("sign-in").close();
  await start();
  state.retry?.();
}

// Buttons, keys, drops

function restart() {
  for (const pair of state.pairs) leave(pair);
  Object.assign(state, { pairs: [], current: null, sorting: null });
  $("files").value = $("folder").value = "";
  view("start");
  $("choose").focus();
}

async function example() {
  try {
    const files = await Promise.all(
      ["short", "long"].map(async (name) => {
        const answer = await fetch(`/page/example/${name}.jpg`);
        return new File([await answer.blob()], `example-${name}.jpg`, { type: "image/jpeg" });
      }),
    );
    begin([pictureOf({ files })]);
  } catch {
    complain("The server does not answer", "It may have been stopped. Start `twinshot serve` again.");
  }
}

function again() {
  const { current } = state;
  const { id } = current.job;
  const chosen = options();
  if ($("trust-map").checked) chosen.trust_map = "true";
  if ($("long-is").value !== found(current.job)) chosen.long_is = $("long-is").value;
  $("trust").checked = $("trust-map").checked;
  current.older = id;
  current.asked = true;
  run(current, () => api.again(id, chosen));
}

async function cancel() {
  const pair = state.current;
  leave(pair);
  state.pairs = state.pairs.filter((one) => one !== pair);
  if (state.pairs.length) look(state.pairs[0]);
  else restart();
  say("Cancelled.");
}

const click = (id, act) => $(id).addEventListener("click", act);

click("choose", () => $("files").click());
click("choose-folder", () => $("folder").click());
click("example", example);
click("restart", restart);
click("new", restart);
click("cancel", cancel);
click("again", again);
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

async function start() {
  try {
    const models = await api.models();
    $("model").replaceChildren(...models.map(({ name }) => new Option(name, name)));
  } catch (refusal) {
    if (refusal.status === 401) askForToken();
  }
}

const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  history.replaceState(null, "", "/");
  signIn(token);
} else {
  start();
}
