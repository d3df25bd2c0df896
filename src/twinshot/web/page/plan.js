// What belongs together in a folder, as it is shown before it is restored.

import { $ } from "/page/parts.js";

const MOST_FRAMES = 17; // of one picture: 16 short ones and the long one

export function looked(count, all) {
  $("looked").max = all;
  $("looked").value = count;
  $("looked-text").textContent = `${count} of ${all}`;
}

const many = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

export function showPlan({ pictures, alone, unreadable }, files) {
  const left = [
    ...pictures.flatMap((one) => one.unused.map((file) => [file.name, "has a different exposure from the frames that are used"])),
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
  if (!roles) return entry(names.join(" + "), "their noise will tell which one is short");
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
