// Restorations: sent, followed, made again, previewed, saved.

import * as api from "/page/api.js";
import { isDone } from "/page/list.js";
import { $, say, state } from "/page/parts.js";
import { draw, found, refresh } from "/page/show.js";

const QUICK = 768; // px a side of a quick preview: about a second
const MOST_ZIPPED = 250;

/** Send and follow it; a full queue is waited for. */
export async function run(pair, send) {
  Object.assign(pair, { refusal: null, retry: () => run(pair, send), job: null });
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

export function again() {
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

/** The model, and the knobs that were turned. */
export function options() {
  const strength = $("strength").value;
  const knobs = { strength, colour_strength: strength, light: $("light").value, tone: $("tone").value };
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
    say(refusal.message);
    $("left").textContent = refusal.message;
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
