// What is seen of a picture: how far it is, what went wrong, before and after, what was decided.

import * as api from "/page/api.js";
import { isDone, list } from "/page/list.js";
import { $, cards, fill, forgetFailures, say, state, view } from "/page/parts.js";
import { askForToken } from "/page/token.js";
import { Compare } from "/page/viewer.js";
import * as words from "/page/words.js";

export function look(pair) {
  state.current = pair;
  $("wait").hidden = false;
  forgetFailures();
  draw(pair);
}

/** One of a list. */
function choose(pair) {
  look(pair);
  refresh(pair);
}

export function draw(pair) {
  list(choose);
  if (pair !== state.current || pair.left) return;
  if (pair.refusal) fail(pair.refusal, pair);
  else if (pair.job?.state === "done") finished(pair);
  else working(pair);
}

export function complain(title, detail) {
  fail(new api.Refusal(title, detail, 400), null);
}

/** Say what went wrong; `retry` does it again, where that may help. */
export function fail(refusal, pair, retry = pair?.retry) {
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
  $("back").hidden = !pair?.earlier;
  $("restart").hidden = Boolean(pair?.earlier);
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

export function downloads(job) {
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

export const found = (job) => (job.roles.includes("long") ? String(job.roles.indexOf("long")) : "none");

/** Whether a result is still there; asking keeps it there, and the one it is to take the place of. */
export async function refresh(pair) {
  if (pair.earlier) api.show(pair.earlier.job.id).catch(() => {}); // whoever goes back to it is told
  if (!isDone(pair)) return;
  try {
    await api.show(pair.job.id);
  } catch (refusal) {
    if (refusal.status !== 404) return;
    pair.refusal = new api.Refusal("This picture was removed", "The server made room for later ones. Restore it again, and save it sooner.", 404);
    draw(pair);
  }
}
