// The compass: a map from above with the listener in the middle. Ahead is up and +90 degrees is to the left.

import { shape } from "./dom.js";
import { isNumber } from "./words.js";

const MIDDLE = 100;
const REACH = 78;
const FAR_M = 5;

/** Azimuth of a point that lies (right, up) of the middle; degrees, +90 left. */
export function azimuthAt(right, up) {
  return (Math.atan2(-right, up) * 180) / Math.PI;
}

/** Where an azimuth lies at a share of the compass's radius: [x, y] in its 200 × 200 box. */
export function pointAt(azimuthDeg, share = 1) {
  const angle = (azimuthDeg * Math.PI) / 180;
  return [MIDDLE - REACH * share * Math.sin(angle), MIDDLE - REACH * share * Math.cos(angle)];
}

/** A distance's share of the radius: a square root, so that near sounds stay apart; 5 m and beyond at the rim. */
export function shareOf(distanceM) {
  return isNumber(distanceM) ? Math.sqrt(Math.min(Math.max(distanceM, 0), FAR_M) / FAR_M) : 0.8;
}

/** The bare compass: rings at 1, 2 and 4 m and a cross; words and metres where it is `large`. */
export function compass({ large = false, label = null } = {}) {
  const svg = shape("svg", { viewBox: large ? "-8 -8 216 216" : "20 20 160 160", class: "compass" });
  if (label === null) svg.setAttribute("aria-hidden", "true");
  else {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  }
  svg.append(shape("circle", { class: "ground", cx: MIDDLE, cy: MIDDLE, r: REACH }));
  for (const metre of [1, 2, 4]) {
    svg.append(shape("circle", { class: "ring", cx: MIDDLE, cy: MIDDLE, r: REACH * shareOf(metre) }));
  }
  for (const azimuthDeg of [0, 45, 90, 135]) {
    const [[x1, y1], [x2, y2]] = [pointAt(azimuthDeg), pointAt(azimuthDeg + 180)];
    svg.append(shape("line", { class: azimuthDeg % 90 ? "spoke faint" : "spoke", x1, y1, x2, y2 }));
  }
  if (large) words(svg);
  return svg;
}

function words(svg) {
  const sides = [
    ["ahead", 100, 5, 0],
    ["behind", 100, 202, 0],
    ["left", 5, 100, -90],
    ["right", 195, 100, 90],
  ];
  for (const [word, x, y, turn] of sides) {
    const attrs = { class: "side", x, y, "text-anchor": "middle", transform: `rotate(${turn} ${x} ${y})` };
    svg.append(shape("text", attrs, word));
  }
  for (const metre of [1, 2, 4]) {
    const [, y] = pointAt(0, shareOf(metre));
    svg.append(shape("text", { class: "tick", x: 103, y: y + 8 }, `${metre} m`));
  }
}

/** A sector from the middle to the rim, `widthDeg` wide around an azimuth. */
export function sector(azimuthDeg, widthDeg, className = "sector") {
  if (widthDeg >= 359) return shape("circle", { class: className, cx: MIDDLE, cy: MIDDLE, r: REACH });
  const [x1, y1] = pointAt(azimuthDeg + widthDeg / 2);
  const [x2, y2] = pointAt(azimuthDeg - widthDeg / 2);
  const large = widthDeg > 180 ? 1 : 0;
  return shape("path", { class: className, d: `M100 100L${x1} ${y1}A${REACH} ${REACH} 0 ${large} 1 ${x2} ${y2}Z` });
}

/** A sound: a dot at its direction and distance. */
export function dot(where, { radius = 6, className = "dot" } = {}) {
  const [cx, cy] = pointAt(where.azimuth_deg, shareOf(where.distance_m));
  return shape("circle", { class: className, cx, cy, r: radius });
}

/** The listener's head with its nose towards an azimuth. */
export function head(yawDeg = 0, size = 1) {
  return shape(
    "g",
    { class: "listener", transform: `translate(100 100) rotate(${-yawDeg}) scale(${size})` },
    shape("path", { d: "M-4 -10L0 -16L4 -10Z" }),
    shape("ellipse", { cx: -10.5, cy: 0, rx: 2.5, ry: 4 }),
    shape("ellipse", { cx: 10.5, cy: 0, rx: 2.5, ry: 4 }),
    shape("circle", { cx: 0, cy: 0, r: 10 }),
  );
}

/** A small compass of one sound; a plain ring with "mono" where its direction isn't known. */
export function small(where, label) {
  const svg = compass({ label });
  svg.append(head(0, 1.3));
  if (isNumber(where.azimuth_deg)) svg.append(dot(where, { radius: 13 }));
  else svg.append(shape("text", { class: "mono", x: 100, y: 156, "text-anchor": "middle" }, "mono"));
  return svg;
}
