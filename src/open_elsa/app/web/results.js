// Results as cards: what it looks like, where it is, how likely, and what to do with it.

import { small } from "./compass.js";
import { element } from "./dom.js";
import { keyOf, picture } from "./pictures.js";
import { MOVES } from "./query.js";
import { height, isNumber, place, room, signed, span } from "./words.js";

/** A list of cards for the hits. `acts`: {play(hit, share), like(hit), move(hit, azimuthDeg)}. */
export function showResults(list, hits, kind, acts) {
  list.replaceChildren(...hits.map((hit, i) => card(hit, i, kind, acts)));
}

/** Draw other pictures on the cards that are there. */
export function showPictures(list, kind) {
  for (const canvas of list.querySelectorAll("canvas")) picture(canvas, canvas.hit, kind);
}

/** Mark the card of a sound as playing, or not. */
export function markPlaying(list, key, playing) {
  for (const item of list.children) {
    if (item.key !== key) continue;
    item.classList.toggle("is-playing", playing);
    const button = item.querySelector(".play");
    button.replaceChildren(...playLabel(playing));
    button.setAttribute("aria-pressed", String(playing));
  }
}

/** Move the card's line to where its sound is. */
export function markPosition(list, key, share) {
  for (const item of list.children) {
    if (item.key === key) item.querySelector(".playhead").style.left = `${100 * share}%`;
  }
}

function card(hit, i, kind, acts) {
  const canvas = element("canvas", { attrs: { "aria-hidden": "true" } });
  const frame = element("div", { className: "picture" }, canvas, element("i", { className: "playhead" }));
  frame.addEventListener("click", (event) => {
    const box = frame.getBoundingClientRect();
    acts.play(hit, (event.clientX - box.left) / box.width);
  });
  const id = `hit-${i}`;
  const item = element(
    "li",
    { className: "card panel", attrs: { "aria-labelledby": id } },
    element("div", { className: "card-compass" }, small(hit, `Heard ${spoken(hit)}`)),
    element(
      "div",
      { className: "card-main" },
      element("div", { className: "card-head" }, title(hit, id), likeliness(hit)),
      element("p", { className: "meta" }, facts(hit)),
      frame,
      actions(hit, id, acts),
    ),
  );
  item.key = keyOf(hit);
  picture(canvas, hit, kind);
  return item;
}

function title(hit, id) {
  const at = hit.file.lastIndexOf("/") + 1;
  return element(
    "h3",
    { id },
    at ? element("span", { className: "folder" }, hit.file.slice(0, at)) : null,
    hit.file.slice(at),
    element("span", { className: "span" }, span(hit)),
  );
}

function facts(hit) {
  return room(hit) ? `${place(hit)} · room: ${room(hit)}` : place(hit);
}

function spoken(hit) {
  if (!isNumber(hit.azimuth_deg)) return "without a direction";
  return `${place(hit)}; azimuth ${signed(hit.azimuth_deg)} degrees, ${height(hit.elevation_deg ?? 0)}`;
}

function likeliness(hit) {
  const known = isNumber(hit.probability);
  const share = Math.min(Math.max(known ? hit.probability : hit.score, 0), 1);
  const fill = element("i");
  fill.style.width = `${100 * share}%`;
  const score = hit.score.toFixed(2).replace("-", "−");
  const means = known ? ": of sentences that agree so well with a sound, half of them wrong, so many are its own" : "";
  return element(
    "p",
    { className: "likeliness", title: `similarity ${score}${means}` },
    element("span", { className: "bar", attrs: { "aria-hidden": "true" } }, fill),
    known ? `${percent(hit.probability)} likely` : `score ${score}`,
    known ? element("span", { className: "unseen" }, `, similarity ${score}`) : null,
  );
}

/** A probability in whole percent; none is certain. */
function percent(probability) {
  if (probability > 0.99) return "over 99 %";
  return probability < 0.01 ? "under 1 %" : `${Math.round(100 * probability)} %`;
}

const playLabel = (playing) => [
  element("span", { attrs: { "aria-hidden": "true" } }, playing ? "❚❚" : "▶"),
  playing ? " Pause" : " Play",
];

function actions(hit, id, acts) {
  const button = (label, act, options = {}) =>
    element("button", { type: "button", on: { click: act }, ...options }, ...[label].flat());
  const moves = MOVES.map(([words, azimuthDeg, arrow]) =>
    button(arrow, () => acts.move(hit, azimuthDeg), {
      className: "arrow",
      title: `This sound, but ${words}`,
      attrs: { "aria-label": `This sound, but ${words}` },
    }),
  );
  return element(
    "div",
    { className: "actions" },
    button(playLabel(false), () => acts.play(hit, null), {
      className: "play",
      attrs: { "aria-pressed": "false", "aria-describedby": id },
    }),
    button("More like this", () => acts.like(hit), { attrs: { "aria-describedby": id } }),
    element(
      "span",
      { className: "moves", attrs: { role: "group", "aria-label": "This sound, moved" } },
      element("span", { attrs: { "aria-hidden": "true" } }, "moved"),
      ...moves,
    ),
  );
}
