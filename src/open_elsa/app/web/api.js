// The service as functions. Every answer is checked for errors; none of them touches the page.

/** The server could not be reached at all. */
export class ServerGone extends Error {}
/** The server wants a token that it was not given. */
export class NeedsToken extends Error {}
/** The server answered, and said no. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const TOKEN = "elsa-token";
const PATIENCE_MS = 60000;
const TRIES = 3; // a busy server says 429
const PAUSE_MS = 500;

/** Keep a token for as long as this tab is open. */
export function useToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** True for the error of a request that a newer one has replaced. */
export function isOutdated(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

async function ask(path, { body, signal, headers = {} } = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const options = {
    method: body === undefined ? "GET" : "POST",
    headers: token ? { ...headers, Authorization: `Bearer ${token}` } : headers,
    signal: signal ? AbortSignal.any([signal, patience]) : patience,
    body,
  };
  for (let tries = 1; ; tries++) {
    const answer = await reach(path, options);
    if (answer.ok) return answer;
    if (answer.status === 502 || answer.status === 503) throw new ServerGone("The server is not ready.");
    if (answer.status === 401) throw new NeedsToken("This server asks for a token.");
    if (answer.status !== 429 || tries === TRIES) throw new Refused(await reason(answer), answer.status);
    await pause(PAUSE_MS * tries);
  }
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (isOutdated(error)) throw error;
    if (error.name === "TimeoutError") throw new Refused("The server took too long to answer.", 504);
    throw new ServerGone("The server does not answer.");
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function reason(answer) {
  if (answer.status === 429) return "The server is busy; try again in a moment.";
  try {
    const told = await answer.json();
    const text = told.error ?? told.detail;
    if (typeof text === "string") return text;
  } catch {
    // not JSON: the status has to do
  }
  return `The server refused this (${answer.status}).`;
}

function asQuery(values) {
  const pairs = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
}

function upload(file) {
  const form = new FormData();
  form.append("file", file, file.name);
  return form;
}

const piece = ({ file, start_s, end_s }) => ({ file, start_s, end_s });
const JSON_HEADERS = { "Content-Type": "application/json" };

export const health = (signal) => ask("health", { signal }).then((a) => a.json());
export const search = (query, signal) =>
  ask("search", { body: JSON.stringify(query), headers: JSON_HEADERS, signal }).then((a) => a.json());
export const searchByFile = (file, signal) => ask("search/audio", { body: upload(file), signal }).then((a) => a.json());
export const describe = (file, signal) => ask("describe", { body: upload(file), signal }).then((a) => a.json());
export const audio = (hit, signal) => ask(`audio?${asQuery(piece(hit))}`, { signal }).then((a) => a.arrayBuffer());
export const peaks = (hit, n, signal) =>
  ask(`peaks?${asQuery({ ...piece(hit), n })}`, { signal })
    .then((a) => a.json())
    .then((told) => told.peaks);
export const spectrogram = (hit, signal) => ask(`spectrogram?${asQuery(piece(hit))}`, { signal }).then((a) => a.blob());
export const map = (signal) => ask("map", { signal }).then((a) => a.json());
