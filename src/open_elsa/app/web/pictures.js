// Pictures of sounds: waveforms from the server's peaks, spectrograms from its PNGs. Kept, as rankings show them again.

import * as api from "./api.js";
import { colour, sharpen } from "./dom.js";

const KEPT = 200;
const BARS = 240;
const kept = new Map();

/** What tells one window from another. */
export const keyOf = (hit) => `${hit.file}\n${hit.start_s}\n${hit.end_s}`;

async function fetched(kind, hit) {
  const key = `${kind}\n${keyOf(hit)}`;
  if (!kept.has(key)) {
    const answer =
      kind === "peaks" ? api.peaks(hit, BARS) : api.spectrogram(hit).then((blob) => createImageBitmap(blob));
    kept.set(key, answer);
    answer.catch(() => kept.delete(key));
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  }
  return kept.get(key);
}

function drawPeaks(canvas, peaks) {
  const { context, width, height } = sharpen(canvas);
  const loudest = Math.max(1e-4, ...peaks.map(([low, high]) => Math.max(-low, high)));
  context.fillStyle = colour("--wave");
  const step = width / Math.max(peaks.length, 1);
  peaks.forEach(([low, high], i) => {
    const top = ((1 - high / loudest) * height) / 2;
    const bottom = ((1 - low / loudest) * height) / 2;
    context.fillRect(i * step, top, Math.max(step - 0.6, 0.6), Math.max(bottom - top, 1));
  });
}

function drawImage(canvas, image) {
  const { context, width, height } = sharpen(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
}

async function draw(canvas) {
  const { kind, hit } = canvas;
  try {
    const answer = await fetched(kind, hit);
    if (canvas.kind !== kind || !canvas.isConnected) return; // another picture was wanted meanwhile
    if (kind === "peaks") drawPeaks(canvas, answer);
    else drawImage(canvas, answer);
    canvas.dataset.drawn = kind;
  } catch {
    canvas.dataset.drawn = "none"; // a result without its picture is still a result
  }
}

const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      draw(target);
    }
  },
  { rootMargin: "200px" },
);

/** Draw a hit's picture ("peaks" or "spectrogram") as soon as the canvas comes near the screen. */
export function picture(canvas, hit, kind) {
  Object.assign(canvas, { hit, kind });
  seen.unobserve(canvas);
  seen.observe(canvas);
}
