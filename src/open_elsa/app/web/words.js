// Numbers in words, by the project's conventions: azimuth counter-clockwise, 0 ahead, +90 left.

const EIGHT = ["ahead", "front left", "left", "back left", "behind", "back right", "right", "front right"];
const PHRASES = {
  ahead: "in front of me",
  "front left": "in front of me on the left",
  left: "on my left",
  "back left": "behind me on the left",
  behind: "behind me",
  "back right": "behind me on the right",
  right: "on my right",
  "front right": "in front of me on the right",
};

/** Any angle as one in (-180, 180]. */
export function wrap(degrees) {
  const turned = ((degrees % 360) + 360) % 360;
  return turned > 180 ? turned - 360 : turned;
}

/** The nearest of eight directions: "back left". */
export function direction(azimuthDeg) {
  return EIGHT[Math.round((((azimuthDeg % 360) + 360) % 360) / 45) % 8];
}

/** As a listener says it: "behind me on the left". */
export function phrase(azimuthDeg) {
  return PHRASES[direction(azimuthDeg)];
}

/** "left (75°)", "ahead (0°)". */
export function azimuth(azimuthDeg) {
  return `${direction(azimuthDeg)} (${signed(azimuthDeg)}°)`;
}

/** The height in words: "above", "a little below", "level". */
export function height(elevationDeg) {
  const size = Math.abs(elevationDeg);
  if (size < 15) return "level";
  const side = elevationDeg > 0 ? "above" : "below";
  return size > 40 ? side : `a little ${side}`;
}

/** Where a sound is, in a short line: "left, level, 1.4 m". */
export function place(where) {
  if (!isNumber(where.azimuth_deg)) return "mono: no direction";
  const parts = [direction(where.azimuth_deg)];
  if (isNumber(where.elevation_deg)) parts.push(height(where.elevation_deg));
  if (isNumber(where.distance_m)) parts.push(metres(where.distance_m));
  return parts.join(", ");
}

/** What is known of the room: "42 m², T30 0.4 s"; empty where nothing is. */
export function room(where) {
  const parts = [];
  if (isNumber(where.floor_area_m2)) parts.push(`${Math.round(where.floor_area_m2)} m²`);
  if (isNumber(where.t30_s)) parts.push(`T30 ${where.t30_s.toFixed(1)} s`);
  return parts.join(", ");
}

export const metres = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} m`;
export const signed = (degrees) =>
  `${Math.round(degrees) > 0 ? "+" : Math.round(degrees) < 0 ? "−" : ""}${Math.abs(Math.round(degrees))}`;
export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** Seconds as a clock: 65 -> "1:05"; 3725 -> "1:02:05". A resampled sound is a hair shorter than it was. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 0.01));
  const tail = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${tail}`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${tail}`;
}

export const span = (hit) => `${clock(hit.start_s)}–${clock(Math.ceil(hit.end_s - 1e-6))}`;

/** "1 file", "3 files". */
export const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
