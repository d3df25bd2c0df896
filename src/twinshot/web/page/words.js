// What was decided, in plain words.

const STAGES = {
  waiting: "Waiting for its turn",
  reading: "Reading the photographs",
  matching: "Matching light and position",
  restoring: "Restoring",
  writing: "Almost done",
};

export const stage = (job) => STAGES[job.stage] ?? "Working";

export function timeLeft(job) {
  if (job.ahead > 0) return `${job.ahead} ${job.ahead === 1 ? "picture is" : "pictures are"} done first`;
  if (!job.seconds_left) return "";
  const seconds = Math.ceil(job.seconds_left);
  return seconds < 90 ? `About ${seconds} s left` : `About ${Math.ceil(seconds / 60)} min left`;
}

/** Sentences on a report, each with how sure it is: "sure", "unsure" or "". `options` are those of the job. */
export function sentences(report, options = {}) {
  const notes = (report.notes ?? []).map((note) => [sentence(note), ""]);
  const matched = report.blurry ? [options.light === "short" ? asShort(report) : light(report), place(report), parts(report)] : [alone()];
  return [swapped(report), merged(report), ...matched, kept(report), ...notes, made(report)].filter(Boolean);
}

/** Its first letter stays as it is: it may be a file's name. */
const sentence = (text) => text + (text.endsWith(".") ? "" : ".");

function swapped(report) {
  return report.swapped ? [sentence(report.swapped), "sure"] : null;
}

/** Short photographs count as many as their noise is averaged away by. */
function merged(report) {
  if (!(report.frames > 1)) return null;
  const many = report.frames.toFixed(1).replace(/\.0$/, "");
  return [`The short photographs were merged: their noise is that of ${many} averaged.`, "sure"];
}

const alone = () => ["There was no long photograph: light and colours are those of the short ones.", ""];

export const gain = (report) =>
  Array.isArray(report.gain) ? report.gain.reduce((sum, value) => sum + value, 0) / report.gain.length : 1;

function asShort(report) {
  return report.gain ? ["The result has the brightness and colours of the short photograph.", "sure"] : null;
}

function light(report) {
  if (!report.gain) return null;
  const times = gain(report);
  if (report.tone === "none") return ["The short photograph was used as bright as it is.", "unsure"];
  const why = report.tone === "exif" ? "by the camera's exposure data" : "by comparing the two pictures";
  if (times > 0.87 && times < 1.15) return ["Both are equally bright; only small differences in colour were evened out.", "sure"];
  const factor = times >= 1 ? times : 1 / times;
  const rounded = factor < 9.5 ? factor.toFixed(1).replace(/\.0$/, "") : Math.round(factor);
  return [`The short one was made ${rounded} times ${times >= 1 ? "brighter" : "darker"} to match the long one, ${why}.`, "sure"];
}

function place(report) {
  const confidence = report.confidence ?? 0;
  if (!report.registered && confidence >= 0.5) return ["The photographs lie on each other as they are.", "sure"];
  if (!report.registered) return ["The photographs were used as they lie: no shift between them could be found.", "unsure"];
  const [x, y] = report.shift;
  const moved = Math.hypot(x, y);
  const sure = confidence >= 0.5;
  const how = confidence >= 0.8 ? "They fit well" : sure ? "They fit" : "They do not fit well";
  const what = moved < 0.5 ? "The camera hardly moved" : `The camera moved by ${moved.toFixed(moved < 10 ? 1 : 0)} pixels`;
  return [`${what}; the long one was laid over the short one. ${how} (${Math.round(100 * confidence)} %).`, sure ? "sure" : "unsure"];
}

/** What moved unlike the rest. */
function parts(report) {
  if (!(report.local_shift >= 0.05)) return null; // px; what is less is written as 0
  const most = report.local_shift.toFixed(report.local_shift < 10 ? 1 : 0);
  return [`Near and far things had moved by different amounts; parts of the long one were moved on their own, nearly all by ${most} pixels or less.`, ""];
}

/** Where the result could have been worse than the long photograph, that one was kept. */
function kept(report) {
  const share = Math.round(100 * (report.from_long_frame ?? 0));
  const light = Math.round(100 * (report.light_from_long_frame ?? 0));
  if (share > 0) return [`In ${share} % of the picture the long photograph was kept, where nothing better came out.`, ""];
  return light > 0 ? ["Where brightness and colours could not be matched, they are the long photograph's.", ""] : null;
}

function made(report) {
  const seconds = Object.values(report.seconds ?? {}).reduce((sum, value) => sum + value, 0);
  const [width, height] = report.size;
  return [`${width} × ${height} pixels, made by “${report.model}” in ${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)}\u00a0s.`, ""];
}

export const warnings = (report) => (report.warnings ?? []).map(sentence);
