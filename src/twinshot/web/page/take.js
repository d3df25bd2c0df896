// Photographs that are given, and taken back.

import * as api from "/page/api.js";
import { nameOf, photographs, sorted } from "/page/files.js";
import { $, say, state, view } from "/page/parts.js";
import { looked, showPlan } from "/page/plan.js";
import { back, leave, run } from "/page/restore.js";
import { complain, fail, look } from "/page/show.js";

export function take(files) {
  const given = photographs(files);
  if (given.length < 2) complain("Two photographs are needed", "Choose a short and a long exposure of the same scene, both at once.");
  else if (given.length === 2) begin([pictureOf({ files: given })]);
  else sort(given);
}

export const pictureOf = (one) => ({ ...one, name: nameOf(one), job: null, refusal: null });

export async function begin(pairs) {
  for (const pair of state.pairs) leave(pair);
  state.pairs = pairs;
  view("work");
  look(pairs[0]);
  await api.twoAtATime(pairs, (pair) => pair.left || run(pair, () => api.restore(pair.files, pair.roles)));
}

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

export function asOne() {
  begin([pictureOf({ files: state.sorting.files })]);
}

export function restart() {
  for (const pair of state.pairs) leave(pair);
  Object.assign(state, { pairs: [], current: null, sorting: null });
  state.compare?.clear();
  $("files").value = $("folder").value = "";
  view("start");
  $("choose").focus();
}

export async function example() {
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

export function cancel() {
  const pair = state.current;
  if (pair.earlier) back();
  else giveUp(pair);
  say("Cancelled.");
}

function giveUp(pair) {
  leave(pair);
  state.pairs = state.pairs.filter((one) => one !== pair);
  if (state.pairs.length) look(state.pairs[0]);
  else restart();
}
