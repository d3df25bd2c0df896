// Requests to the server that the page came from, and to no other.

/** What the server refused, or that it cannot be reached; `status` is 0 then. */
export class Refusal extends Error {
  constructor(title, detail, status, wait = 0) {
    super(detail);
    Object.assign(this, { title, status, wait });
  }
}

const LOST = new Refusal(
  "The server does not answer",
  "It may have been stopped. Start `twinshot serve` again where it ran, and then try again here.",
  0,
);

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw LOST;
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const wait = Number(answer.headers.get("Retry-After") ?? 0);
  throw new Refusal(problem.title ?? "The server failed", problem.detail ?? "", answer.status, wait);
}

const json = async (path, options) => (await ask(path, options)).json();

export const models = async () => (await json("/v1/models")).models;
export const show = (id) => json(`/v1/restorations/${id}`);
export const remove = (id) => ask(`/v1/restorations/${id}`, { method: "DELETE", keepalive: true });

export const signIn = (token) => ask("/v1/session", asJson({ token }));

/** Send the photographs of a picture; `roles` says which is "short" and which "long", or nothing for any order. */
export function restore(files, roles) {
  const form = new FormData();
  files.forEach((file, place) => form.append(roles?.[place] ?? "photo", file, file.name));
  return json("/v1/restorations", { method: "POST", body: form });
}

const asJson = (body) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** A plan of a folder's files; `look` at each that is wanted, and `showPlan` says which make a picture. */
export const plan = (names) => json("/v1/plans", asJson({ names }));
export const look = (id, place, file) => ask(`/v1/plans/${id}/photos/${place}`, { method: "PUT", body: file });
export const showPlan = (id) => json(`/v1/plans/${id}`);
export const removePlan = (id) => ask(`/v1/plans/${id}`, { method: "DELETE", keepalive: true });

/** Use the photographs of an earlier restoration again. */
export function again(id, options) {
  const form = new FormData();
  for (const [name, value] of Object.entries({ of: id, ...options })) form.append(name, value);
  return json("/v1/restorations", { method: "POST", body: form });
}

/** A picture's part, restored at once, as an object URL. */
export async function quick(id, box, options) {
  const query = new URLSearchParams({ layer: "quick", ...box, ...options });
  return URL.createObjectURL(await (await ask(`/v1/restorations/${id}/preview?${query}`)).blob());
}

/** Follow a restoration until it is over; `seen` gets each of its states. Resolves with the last. */
export function watch(id, seen) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`/v1/restorations/${id}/events`);
    source.addEventListener("update", (event) => {
      const job = JSON.parse(event.data);
      seen(job);
      if (job.state === "queued" || job.state === "running") return;
      source.close();
      resolve(job);
    });
    source.addEventListener("error", async () => {
      source.close();
      try {
        const job = await show(id);
        if (job.state === "queued" || job.state === "running") resolve(await watch(id, seen));
        else resolve(job);
      } catch (refusal) {
        reject(refusal);
      }
    });
  });
}

export const partUrl = (id, layer, x, y, w, h, shrink) =>
  `/v1/restorations/${id}/preview?layer=${layer}&x=${x}&y=${y}&w=${w}&h=${h}&shrink=${shrink}`;
export const resultUrl = (id, format, bits, quality) =>
  `/v1/restorations/${id}/result?format=${format}&bits=${bits}&quality=${quality}`;
export const archiveUrl = (ids, format, quality) =>
  `/v1/archive?${new URLSearchParams([...ids.map((id) => ["id", id]), ["format", format], ["bits", 8], ["quality", quality]])}`;

/** Do what a full queue refuses again, when the server says so, until it is done or `given` up. */
export async function patiently(act, given = () => false) {
  for (;;) {
    try {
      return await act();
    } catch (refusal) {
      if (refusal.status !== 429 || given()) throw refusal;
      await new Promise((done) => setTimeout(done, 1000 * Math.max(refusal.wait, 1)));
    }
  }
}

/** Do the same with each of many, two at a time: while one is worked on, the next is on its way. */
export async function twoAtATime(things, act) {
  const waiting = [...things];
  const lane = async () => {
    while (waiting.length) await act(waiting.shift());
  };
  await Promise.all([lane(), lane()]);
}
