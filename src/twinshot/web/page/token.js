// Signing in, where the server asks for a token; and what a page needs to begin.

import * as api from "/page/api.js";
import { $, state } from "/page/parts.js";

export function askForToken() {
  $("wrong").textContent = "";
  if (!$("sign-in").open) $("sign-in").showModal();
}

export async function signIn(token) {
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

export async function start() {
  try {
    const models = await api.models();
    $("model").replaceChildren(...models.map(({ name }) => new Option(name, name)));
  } catch (refusal) {
    if (refusal.status === 401) askForToken();
  }
}
