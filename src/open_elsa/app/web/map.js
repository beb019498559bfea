// The collection as a map: every window a point; what sounds alike lies together.

import { byId, colour, sharpen } from "./dom.js";
import { keyOf } from "./pictures.js";
import { nameOf } from "./query.js";

const MARGIN_PX = 18;
const REACH_PX = 24; // how near a pointer must come
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class SoundMap {
  /** `acts`: {play(point), like(point)}. */
  constructor(acts) {
    this.acts = acts;
    this.points = [];
    this.keys = [];
    this.places = [];
    this.found = new Map(); // key -> rank
    this.chosen = -1;
    this.canvas = byId("map-canvas");
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("click", (event) => {
      if (this.point(event)) this.acts.play(this.points[this.chosen]);
    });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("focus", () => {
      if (this.chosen < 0 && this.points.length) this.choose(this.first());
    });
    byId("map-like").addEventListener("click", () => this.acts.like(this.points[this.chosen]));
  }

  /** Take the points of GET /map; none hides the map. */
  show(points) {
    this.points = points;
    this.keys = points.map(keyOf);
    this.chosen = -1;
    byId("map").hidden = points.length === 0;
    byId("map-like").disabled = true;
    byId("map-told").textContent = "Nothing chosen yet.";
    this.draw();
  }

  /** Mark the results of a search, best first. */
  mark(hits) {
    this.found = new Map(hits.map((hit, i) => [keyOf(hit), i]));
    this.draw();
  }

  first() {
    const best = this.keys.findIndex((key) => this.found.get(key) === 0);
    return Math.max(best, 0);
  }

  choose(i) {
    if (i === this.chosen) return;
    this.chosen = i;
    const point = this.points[i];
    const rank = this.found.get(this.keys[i]);
    byId("map-told").textContent = nameOf(point) + (rank === undefined ? "" : ` (result ${rank + 1})`);
    byId("map-like").disabled = false;
    this.draw();
    if (byId("map-hear").checked) this.acts.play(point);
  }

  /** Choose the point under a pointer; false where there is none. */
  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [best, nearest] = [-1, REACH_PX];
    this.places.forEach(([px, py], i) => {
      const away = Math.hypot(px - x, py - y);
      if (away < nearest) [best, nearest] = [i, away];
    });
    this.canvas.classList.toggle("on-point", best >= 0);
    if (best >= 0) this.choose(best);
    return best >= 0;
  }

  key(event) {
    if (!this.points.length || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in ARROWS) {
      const next = this.neighbour(...ARROWS[event.key]);
      if (next >= 0) this.choose(next);
    } else if (event.key === "PageDown" || event.key === "PageUp") {
      const step = event.key === "PageDown" ? 1 : -1; // one after the other, so that none is out of reach
      this.choose((this.chosen + step + this.points.length) % this.points.length);
    } else if (event.key === "Enter" || event.key === " ") {
      if (this.chosen >= 0) this.acts.play(this.points[this.chosen]);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** The nearest point in a direction: what lies askew counts as farther. */
  neighbour(right, down) {
    if (this.chosen < 0) return this.first();
    const [x, y] = this.places[this.chosen];
    let [best, least] = [-1, Infinity];
    this.places.forEach(([px, py], i) => {
      const along = (px - x) * right + (py - y) * down;
      const aside = Math.abs((px - x) * down) + Math.abs((py - y) * right);
      if (i !== this.chosen && along > 0.5 && along + 2 * aside < least) [best, least] = [i, along + 2 * aside];
    });
    return best;
  }

  draw() {
    if (!this.points.length || !this.canvas.clientWidth) return;
    const { context, width, height } = sharpen(this.canvas);
    this.places = placed(this.points, width, height);
    const radius = this.points.length > 2000 ? 1.5 : this.points.length > 300 ? 3 : 5;
    const [plain, accent] = [colour("--soft"), colour("--accent")];
    const dot = (i, size, fill) => {
      context.beginPath();
      context.arc(...this.places[i], size, 0, 2 * Math.PI);
      context.fillStyle = fill;
      context.fill();
    };
    context.globalAlpha = 0.55;
    this.keys.forEach((key, i) => {
      if (!this.found.has(key)) dot(i, radius, plain);
    });
    context.globalAlpha = 1;
    this.keys.forEach((key, i) => {
      if (this.found.has(key)) dot(i, radius + 1.5, accent);
    });
    if (this.chosen >= 0) {
      context.beginPath();
      context.arc(...this.places[this.chosen], radius + 6, 0, 2 * Math.PI);
      context.strokeStyle = colour("--ink");
      context.lineWidth = 2;
      context.stroke();
    }
  }
}

/** Points of any range in a box of pixels, y upwards. */
function placed(points, width, height) {
  const fit = (name, size, flip) => {
    let [low, high] = [Infinity, -Infinity];
    for (const point of points) [low, high] = [Math.min(low, point[name]), Math.max(high, point[name])];
    const stretch = high > low ? (size - 2 * MARGIN_PX) / (high - low) : 0;
    const start = high > low ? MARGIN_PX : size / 2;
    return (point) => (flip ? size - start - (point[name] - low) * stretch : start + (point[name] - low) * stretch);
  };
  const [across, up] = [fit("x", width, false), fit("y", height, true)];
  return points.map((point) => [across(point), up(point)]);
}
