// What is asked: the page's state, as a request to the service and as a sentence.

import { azimuth, direction, metres, phrase, span, wrap } from "./words.js";

export const PAGE = 12;

/** What a fresh page asks: nothing. */
export const nothing = () => ({
  text: "",
  like: null, // a hit: "more like this"
  upload: null, // a File: "sounds like this one"
  minus: "",
  about: "both", // both, what, where
  mode: "any", // any: everywhere; only: sounds from there; move: as if the sound came from there
  azimuthDeg: 0,
  widthDeg: 90,
  nearM: null,
  farM: null,
  k: PAGE,
});

const hasDistance = (state) => state.nearM !== null || state.farM !== null;

/** True where there is something to search for. */
export function asksSomething(state) {
  return Boolean(state.text || state.like || state.upload || state.mode !== "any" || hasDistance(state));
}

/** The body of POST /search. Where only a place is asked for, the words of the place are the question. */
export function toRequest(state) {
  const request = { k: state.k };
  if (state.like) request.like = { file: state.like.file, start_s: state.like.start_s };
  else request.text = state.text || (state.mode === "any" ? "a sound" : `a sound ${phrase(state.azimuthDeg)}`);
  const about = state.like || state.text ? state.about : "where";
  if (about !== "both") request.about = about;
  if (state.minus) request.minus = state.minus;
  if (state.mode === "move") request.move_to = state.azimuthDeg;
  if (state.mode === "only") request.azimuth_deg = range(state);
  if (hasDistance(state)) request.distance_m = [state.nearM, state.farM];
  return request;
}

/** From and to, counter-clockwise, of the sector asked for. */
export function range(state) {
  const half = state.widthDeg / 2;
  return [wrap(state.azimuthDeg - half), wrap(state.azimuthDeg + half)];
}

/** "only from the left (+90°), 90° wide"; "anywhere". */
export function whereInWords(state) {
  if (state.mode === "any") return "anywhere";
  if (state.mode === "move") return `as if ${azimuth(state.azimuthDeg)}`;
  return `only ${azimuth(state.azimuthDeg)}, ${state.widthDeg}° wide`;
}

/** The question as a sentence's end: "“a dog”, without “barking”, only left (+90°), 90° wide". */
export function inWords(state) {
  const parts = [];
  if (state.upload) parts.push(`sounds like “${state.upload.name}”`);
  else if (state.like) parts.push(`more like ${nameOf(state.like)}`);
  else parts.push(state.text ? `“${state.text}”` : "any sound");
  if (state.upload) return parts[0];
  if (state.minus) parts.push(`without “${state.minus}”`);
  if (state.mode !== "any") parts.push(whereInWords(state));
  if (hasDistance(state)) {
    const [near, far] = [state.nearM, state.farM];
    parts.push(
      far === null
        ? `${metres(near)} or farther`
        : near === null
          ? `within ${metres(far)}`
          : `${metres(near)} to ${metres(far)} away`,
    );
  }
  return parts.join(", ");
}

/** "door.wav, 0:05–0:15". */
export const nameOf = (hit) => `${hit.file.split("/").pop()}, ${span(hit)}`;

/** The four places that every result can be moved to: [word for the ear, azimuth, arrow]. */
export const MOVES = [
  ["on my left", 90, "←"],
  ["in front of me", 0, "↑"],
  ["on my right", -90, "→"],
  ["behind me", 180, "↓"],
];

/** "left" for a dial's value text. */
export const dialText = (state) =>
  state.mode === "any" ? "anywhere" : `${direction(state.azimuthDeg)}, ${Math.round(state.azimuthDeg)} degrees`;
