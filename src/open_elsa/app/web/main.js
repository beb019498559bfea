// The page: what is asked, sent to the service as soon as it changes, and what comes back shown.

import * as api from "./api.js";
import { compass, dot, head, pointAt, sector } from "./compass.js";
import { Describer } from "./describe.js";
import { makeDial } from "./dial.js";
import { byId, choose, chosen, debounce, element, reducedMotion, shape } from "./dom.js";
import { SoundMap } from "./map.js";
import { Notices } from "./notices.js";
import { keyOf } from "./pictures.js";
import { Player } from "./player.js";
import { asksSomething, dialText, inWords, nameOf, nothing, PAGE, toRequest, whereInWords } from "./query.js";
import { markPlaying, markPosition, showPictures, showResults } from "./results.js";
import { count, isNumber } from "./words.js";

const EXAMPLES = [
  "a dog barking on my left",
  "rain falling behind me",
  "a bird singing above me",
  "someone speaking close to me",
  "an engine far away in a large hall",
];
const DRAG_MS = 200;
const TYPE_MS = 450;
const SLOW_MS = 300;

let state = nothing();
let hits = [];
let asking = null;

const list = byId("results");
const notices = new Notices(ready);
const player = new Player({
  changed: (key, playing) => markPlaying(list, key, playing),
  moved: (key, share) => markPosition(list, key, share),
  failed: (error) => say(notices.explain(error)),
});
const soundMap = new SoundMap({ play: (point) => play(point, null), like: (point) => moreLike(point) });
new Describer({
  play: (sound) => player.play(sound),
  search: (file) => {
    state = { ...nothing(), upload: file };
    showQuery();
    search().then(toResults);
  },
  failed: (error) => notices.explain(error),
});

// -- asking -------------------------------------------------------------------------------------------------------

async function search() {
  asking?.abort(); // an older question doesn't matter any more
  if (!asksSomething(state)) return clear();
  const mine = new AbortController();
  asking = mine;
  const slow = setTimeout(() => busy(true), SLOW_MS);
  try {
    const answer = await (state.upload
      ? api.searchByFile(state.upload, mine.signal)
      : api.search(toRequest(state), mine.signal));
    if (mine.signal.aborted) return undefined;
    showHits(answer);
  } catch (error) {
    if (!mine.signal.aborted) say(notices.explain(error), true);
  } finally {
    clearTimeout(slow);
    if (asking === mine) busy(false);
  }
  return undefined;
}

function showHits(answer) {
  hits = answer.hits;
  byId("welcome").hidden = true;
  showResults(list, hits, chosen("picture"), { play, like: moreLike, move: moveTo });
  if (player.sound) markPlaying(list, player.sound.key, player.engine.playing);
  soundMap.mark(hits);
  showDots();
  byId("more").hidden = Boolean(state.upload) || hits.length < state.k;
  say(
    hits.length
      ? `${count(hits.length, "result")} for ${inWords(state)}`
      : `Nothing found for ${inWords(state)}. Widen the direction or the distance.`,
  );
}

function clear() {
  busy(false);
  hits = [];
  list.replaceChildren();
  byId("more").hidden = true;
  soundMap.mark([]);
  showDots();
  byId("welcome").hidden = false;
  say("Nothing asked yet.");
}

function say(text, wrong = false) {
  byId("summary").textContent = text;
  byId("summary").classList.toggle("wrong", wrong);
}

function busy(working) {
  byId("busy").hidden = !working;
  list.setAttribute("aria-busy", String(working));
}

const searchSoon = debounce(search, DRAG_MS);
const searchAfterTyping = debounce(search, TYPE_MS);

// -- what can be done with a result -------------------------------------------------------------------------------

function play(hit, share) {
  return player.play(
    { key: keyOf(hit), title: nameOf(hit), where: known(hit), load: (signal) => api.audio(hit, signal) },
    share,
  );
}

/** A point of the map has no direction of its own; the result of the same window has. */
function known(hit) {
  return "azimuth_deg" in hit ? hit : (hits.find((other) => keyOf(other) === keyOf(hit)) ?? hit);
}

function moreLike(hit) {
  state = { ...nothing(), like: hit, about: state.about };
  showQuery();
  return search().then(toResults);
}

function moveTo(hit, azimuthDeg) {
  state = { ...nothing(), like: hit, about: state.about, mode: "move", azimuthDeg };
  showQuery();
  return search().then(toResults);
}

function toResults() {
  byId("results-heading").focus({ preventScroll: true });
  byId("results-heading").scrollIntoView({ behavior: reducedMotion() ? "auto" : "smooth", block: "nearest" });
}

// -- the form -----------------------------------------------------------------------------------------------------

function ask(text) {
  state = { ...state, text, like: null, upload: null, k: PAGE };
  showQuery();
  return search();
}

function change(changes, soon = search) {
  state = { ...state, ...changes, k: PAGE };
  showQuery();
  soon();
}

/** Set every control to the state. */
function showQuery() {
  byId("text").value = state.text;
  byId("minus").value = state.minus;
  byId("near").value = state.nearM ?? "";
  byId("far").value = state.farM ?? "";
  choose("about", state.about);
  byId("like").hidden = !state.like && !state.upload;
  byId("like-text").textContent = inWords(state);
  byId("where").inert = byId("options").inert = Boolean(state.upload); // a file is asked about as it is
  showWhere();
}

const asMetres = (text) => (text === "" || !(Number(text) >= 0) ? null : Number(text));

function wireForm() {
  byId("examples").append(
    ...EXAMPLES.map((text) =>
      element("button", { type: "button", className: "chip", on: { click: () => ask(text) } }, text),
    ),
  );
  byId("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(byId("text").value.trim());
  });
  byId("text").addEventListener("search", () => {
    if (!byId("text").value && state.text) ask(""); // the box was emptied by its own cross
  });
  byId("like-clear").addEventListener("click", () => change({ like: null, upload: null }));
  byId("minus").addEventListener("input", (event) => {
    state = { ...state, minus: event.target.value.trim(), k: PAGE };
    searchAfterTyping();
  });
  for (const [id, name] of [
    ["near", "nearM"],
    ["far", "farM"],
  ]) {
    byId(id).addEventListener("input", (event) => {
      state = { ...state, [name]: asMetres(event.target.value), k: PAGE };
      searchAfterTyping();
    });
  }
  for (const radio of document.querySelectorAll('input[name="about"]')) {
    radio.addEventListener("change", () => change({ about: chosen("about") }));
  }
  for (const radio of document.querySelectorAll('input[name="picture"]')) {
    radio.addEventListener("change", () => showPictures(list, chosen("picture")));
  }
  byId("more").addEventListener("click", () => {
    state = { ...state, k: state.k + PAGE };
    search();
  });
}

// -- the compass --------------------------------------------------------------------------------------------------

const rose = compass({ large: true });
const aim = shape("g");
const dots = shape("g");
rose.append(aim, dots, head(0, 1));
const dial = makeDial(byId("dial"), {
  turned: (azimuthDeg) => change({ azimuthDeg, mode: state.mode === "any" ? "only" : state.mode }, searchSoon),
  keys: { Delete: anywhere, Backspace: anywhere, Escape: anywhere },
});

function anywhere() {
  change({ mode: "any" });
}

function showWhere() {
  dial.set(state.azimuthDeg);
  byId("dial").setAttribute("aria-valuetext", dialText(state));
  choose("mode", state.mode);
  byId("width").value = String(state.widthDeg);
  byId("width").disabled = state.mode !== "only";
  byId("width-now").textContent = `${state.widthDeg}°`;
  byId("where-now").textContent = whereInWords(state);
  const [cx, cy] = pointAt(state.azimuthDeg);
  const marker = shape("circle", { class: state.mode === "any" ? "handle idle" : "handle", cx, cy, r: 8 });
  const [x2, y2] = [cx, cy];
  aim.replaceChildren(
    ...(state.mode === "only" ? [sector(state.azimuthDeg, state.widthDeg)] : []),
    ...(state.mode === "move" ? [shape("line", { class: "aim", x1: 100, y1: 100, x2, y2 })] : []),
    marker,
  );
}

/** The results' own places on the compass. */
function showDots() {
  const placed = hits.filter((hit) => isNumber(hit.azimuth_deg));
  dots.replaceChildren(...placed.map((hit) => dot(hit, { radius: 3.2, className: "dot found" })).reverse());
}

function wireCompass() {
  byId("dial").append(rose);
  byId("where").open = matchMedia("(min-width: 56rem)").matches;
  for (const radio of document.querySelectorAll('input[name="mode"]')) {
    radio.addEventListener("change", () => change({ mode: chosen("mode") }));
  }
  byId("width").addEventListener("input", (event) => change({ widthDeg: Number(event.target.value) }, searchSoon));
}

// -- the server ---------------------------------------------------------------------------------------------------

async function ready({ index }) {
  const usable = Boolean(index?.files);
  for (const control of document.querySelectorAll("#search-form input, #search-form button"))
    control.disabled = !usable;
  if (!usable) {
    soundMap.show([]);
    byId("welcome").hidden = true;
    say("There is nothing to search yet.");
    return;
  }
  await Promise.all([search(), drawMap()]);
}

async function drawMap() {
  try {
    soundMap.show((await api.map()).points);
    soundMap.mark(hits);
  } catch (error) {
    notices.explain(error); // without its map the page still searches
  }
}

wireForm();
wireCompass();
showQuery();
notices.check();
