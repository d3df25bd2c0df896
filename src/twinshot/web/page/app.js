// The page: photographs in, progress, before and after, download.

import * as api from "/page/api.js";
import { Compare } from "/page/viewer.js";
import * as words from "/page/words.js";

const $ = (id) => document.getElementById(id);
const QUICK = 768; // px a side of a quick preview: about a second
const RETRIES = 40;

/** Pairs of photographs, and which one is looked at. */
const state = { pairs: [], current: null, compare: null };

function say(text) {
  $("say").textContent = text;
}

function view(name) {
  document.body.dataset.view = name;
  $("start").hidden = name !== "start";
  $("work").hidden = name !== "work";
}

function cards(...shown) {
  for (const id of ["progress", "problem", "done", "decided", "adjust"]) $(id).hidden = !shown.includes(id);
}

// Photographs in

function take(files) {
  const photographs = [...files].filter((file) => !file.name.startsWith(".") && file.size > 0);
  photographs.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  if (photographs.length < 2) {
    complain("Two photographs are needed", "Choose a short and a long exposure of the same scene, both at once.");
    return;
  }
  if (photographs.length % 2) {
    const text = `${photographs.length} files cannot be paired. Each short photograph needs a long one beside it.`;
    complain("One photograph has no partner", text);
    return;
  }
  const pairs = [];
  for (let i = 0; i < photographs.length; i += 2) pairs.push(pairOf(photographs.slice(i, i + 2)));
  begin(pairs);
}

function pairOf(files) {
  return { files, name: files.map((file) => file.name).join(" + "), job: null, refusal: null };
}

async function begin(pairs) {
  for (const pair of state.pairs) leave(pair);
  state.pairs = pairs;
  view("work");
  $("batch").hidden = pairs.length < 2;
  look(pairs[0]);
  for (const pair of pairs) {
    await run(pair, () => api.restore(pair.files));
    if (!state.pairs.includes(pair)) return;
  }
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
    const job = await patiently(send, pair);
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

async function patiently(send, pair) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await send();
    } catch (refusal) {
      if (refusal.status !== 429 || tries === RETRIES || pair.left) throw refusal;
      await new Promise((done) => setTimeout(done, 1000 * Math.max(refusal.wait, 1)));
    }
  }
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
  fail(new api.Refusal(title, detail, 0), null);
}

function fail(refusal, pair) {
  if (refusal.status === 401) {
    askForToken(pair);
    return;
  }
  view("work");
  cards("problem");
  if (!pair) state.current = null;
  $("bar").hidden = $("view").hidden = !pair?.job?.size;
  document.querySelector(".divider").hidden = $("view").hidden;
  $("problem-title").textContent = refusal.title;
  $("problem-detail").textContent = refusal.message;
  $("retry").hidden = !(pair?.send && (refusal.status === 0 || refusal.status >= 500 || refusal.status === 429));
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
      button.addEventListener("click", () => look(pair));
      item.append(button);
      return item;
    }),
  );
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

function askForToken(pair) {
  $("wrong").textContent = "";
  state.retry = pair;
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
  if (state.retry?.send) run(state.retry, state.retry.send);
}

// Buttons, keys, drops

function restart() {
  for (const pair of state.pairs) leave(pair);
  Object.assign(state, { pairs: [], current: null });
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
    begin([pairOf(files)]);
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
click("retry", () => run(state.current, state.current.send));
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

/** The dropped files; of folders, what is in them. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  return (await Promise.all(entries.map(filesIn))).flat();
}

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((done, fail_) => entry.file(done, fail_))];
  const reader = entry.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((done, fail_) => reader.readEntries(done, fail_));
    if (!some.length) break;
    all.push(...some);
  }
  return (await Promise.all(all.map(filesIn))).flat();
}

async function start() {
  try {
    const models = await api.models();
    $("model").replaceChildren(...models.map(({ name }) => new Option(name, name)));
  } catch (refusal) {
    if (refusal.status === 401) askForToken(null);
  }
}

const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  history.replaceState(null, "", "/");
  signIn(token);
} else {
  start();
}
