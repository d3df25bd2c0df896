// Restorations: sent, followed, made again, previewed, saved.

import * as api from "/page/api.js";
import { isDone } from "/page/list.js";
import { $, forgetFailures, say, state } from "/page/parts.js";
import { draw, found, refresh } from "/page/show.js";

const QUICK = 768; // px a side of a quick preview: about a second
const MOST_ZIPPED = 250;

/** Send and follow it; a full queue is waited for. What it takes the place of is kept until it is done. */
export async function run(pair, send) {
  const turn = {};
  const over = () => pair.left || pair.turn !== turn;
  forgetFailures();
  Object.assign(pair, { refusal: null, retry: () => run(pair, send), job: null, sending: true, turn });
  draw(pair);
  try {
    const job = await api.patiently(send, over);
    if (over()) {
      remove(job);
      return;
    }
    Object.assign(pair, { sending: false, job });
    await api.watch(job.id, (seen) => {
      if (over()) return;
      pair.job = seen;
      draw(pair);
    });
    if (over()) return;
    if (pair.job.state === "failed") pair.refusal = new api.Refusal(pair.job.problem.title, pair.job.problem.detail, pair.job.problem.status);
    else forget(pair);
  } catch (refusal) {
    if (!(refusal instanceof api.Refusal)) throw refusal;
    if (over()) return;
    pair.refusal = refusal;
  }
  pair.sending = false;
  draw(pair);
}

const remove = (job) => api.remove(job.id).catch(() => {});

function forget(pair) {
  if (pair.earlier) remove(pair.earlier.job);
  pair.earlier = null;
}

/** Nobody will ask for a picture any more. */
export function leave(pair) {
  pair.left = true;
  forget(pair);
  if (pair.job) remove(pair.job);
}

export function again() {
  const { current } = state;
  const { job, retry } = current;
  const chosen = options();
  if ($("trust-map").checked) chosen.trust_map = "true";
  if ($("long-is").value !== found(job)) chosen.long_is = $("long-is").value;
  $("trust").checked = $("trust-map").checked;
  Object.assign(current, { earlier: { job, retry }, asked: true });
  run(current, () => changed(current, job.id, chosen));
}

/** With the photographs of an earlier restoration; they are sent anew where the server has removed those. */
async function changed(pair, id, chosen) {
  try {
    return await api.again(id, chosen);
  } catch (refusal) {
    if (refusal.status !== 404) throw refusal;
  }
  const sent = await api.restore(pair.files, pair.roles);
  try {
    return await api.again(sent.id, chosen);
  } finally {
    remove(sent);
  }
}

/** To the result that was there before the picture was to be made again. */
export function back() {
  const { current } = state;
  if (current.job) remove(current.job);
  Object.assign(current, { ...current.earlier, earlier: null, refusal: null, turn: null });
  draw(current);
  refresh(current);
}

/** The model, and the knobs that were turned. */
export function options() {
  const strength = $("strength").value;
  const knobs = { strength, colour_strength: strength, light: $("light").value, tone: $("tone").value };
  if ($("best").checked) knobs.best = "true";
  if (Number(strength) === 1) knobs.strength = knobs.colour_strength = "";
  return { model: $("model").value, ...Object.fromEntries(Object.entries(knobs).filter(([, value]) => value)) };
}

export async function quick(button, chosen) {
  const { current, compare } = state;
  const { id } = current.job;
  const done = isDone(current);
  // Another picture is on view, or this one was finished or is made again.
  const gone = () => state.current !== current || current.job?.id !== id || isDone(current) !== done;
  const text = button.textContent;
  forgetFailures();
  button.disabled = true;
  button.textContent = "Restoring this part…";
  const box = compare.visible(QUICK);
  try {
    const part = await api.quick(id, box, chosen);
    if (gone()) {
      URL.revokeObjectURL(part);
      return;
    }
    compare.overlay("after", part, box);
    $("tag-after").textContent = "Preview in the middle";
  } catch (refusal) {
    if (gone()) return;
    const line = button.parentElement.nextElementSibling; // progress goes on, and would write over its own line
    line.textContent = refusal.message;
    line.hidden = false;
    say(refusal.message);
  } finally {
    button.disabled = false;
    button.textContent = text;
  }
}

/** All results that are there, as ZIP files. */
export async function saveAll() {
  await Promise.all(state.pairs.map(refresh));
  const ids = state.pairs.filter(isDone).map((pair) => pair.job.id);
  for (let first = 0; first < ids.length; first += MOST_ZIPPED) {
    const link = document.createElement("a");
    link.href = api.archiveUrl(ids.slice(first, first + MOST_ZIPPED), $("format").value, $("quality").value);
    link.download = "";
    link.click();
  }
}
