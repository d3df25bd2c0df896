// Photographs that are chosen or dropped, and which of them make a picture.

import * as api from "/page/api.js";

const byName = (one, other) => path(one).localeCompare(path(other), undefined, { numeric: true });
const path = (file) => file.webkitRelativePath || file.name;

/** What can be photographs at all, by name. */
export function photographs(files) {
  return [...files].filter((file) => !file.name.startsWith(".") && file.size > 0).sort(byName);
}

/** The dropped files; of folders, what is in them. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  return (await Promise.all(entries.map(filesIn))).flat();
}

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) break;
    all.push(...some);
  }
  return (await Promise.all(all.map(filesIn))).flat();
}

/**
 * Have the server look at each file, and say which make a picture: { pictures: [{ files, roles, unused }], alone,
 * unreadable: [[file, reason]] }. `seen` is told of how many were looked at; nothing comes where `given` up.
 */
export async function sorted(files, seen, given) {
  const plan = await api.plan(files.map(path));
  let count = 0;
  try {
    await api.twoAtATime(plan.wanted, async (place) => {
      if (given()) return;
      await api.patiently(() => api.look(plan.id, place, files[place]), given).catch((refusal) => {
        if (refusal.status !== 422) throw refusal; // of a file that cannot be read the plan tells
      });
      seen((count += 1), plan.wanted.length);
    });
    return given() ? null : inFiles(await api.showPlan(plan.id), files);
  } finally {
    api.removePlan(plan.id).catch(() => {});
  }
}

function inFiles(plan, files) {
  const of = (places) => places.map((place) => files[place]);
  return {
    pictures: plan.pictures.map(({ short, long, left, unsure }) => {
      const roles = [...short.map(() => "short"), ...(long === null ? [] : ["long"])];
      return { files: of(long === null ? short : [...short, long]), roles: unsure ? null : roles, unused: of(left) };
    }),
    alone: of(plan.alone),
    unreadable: plan.unreadable.map(({ photo, reason }) => [files[photo], reason]),
  };
}

/** A picture's name in a list: its frames. */
export function nameOf({ files, roles }) {
  const names = files.map((file) => file.name);
  if (names.length < 3) return names.join(" + ");
  const long = roles?.at(-1) === "long" ? ` + ${names.at(-1)}` : "";
  const others = names.length - (long ? 2 : 1);
  return `${names[0]} and ${others} more${long}`;
}
