// Turning something by hand: pointer and keyboard on an element with role="slider", azimuths in degrees.

import { azimuthAt } from "./compass.js";
import { wrap } from "./words.js";

const STEP_DEG = 5;
const LEAP_DEG = 45;
const DEAD_PX = 6; // so near the middle a pointer has no direction

/**
 * Let an element be turned. `turned(azimuthDeg)` is called for every move; `keys` adds keys of one's own
 * (name of key -> action). Gives `set(azimuthDeg)`, which moves it without telling.
 */
export function makeDial(dial, { turned, keys = {} }) {
  let azimuthDeg = 0;

  function set(to) {
    azimuthDeg = wrap(to);
    dial.setAttribute("aria-valuenow", String(Math.round(azimuthDeg)));
  }
  function turn(to) {
    set(to);
    turned(azimuthDeg);
  }
  function follow(event) {
    const box = dial.getBoundingClientRect();
    const right = event.clientX - (box.left + box.width / 2);
    const up = box.top + box.height / 2 - event.clientY;
    if (Math.hypot(right, up) >= DEAD_PX) turn(Math.round(azimuthAt(right, up)));
  }

  dial.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dial.setPointerCapture(event.pointerId);
    follow(event);
  });
  dial.addEventListener("pointermove", (event) => {
    if (dial.hasPointerCapture(event.pointerId)) follow(event);
  });
  // the arrows turn as they point: left is counter-clockwise, towards +90
  const actions = {
    ArrowLeft: () => turn(azimuthDeg + STEP_DEG),
    ArrowRight: () => turn(azimuthDeg - STEP_DEG),
    PageUp: () => turn(azimuthDeg + LEAP_DEG),
    PageDown: () => turn(azimuthDeg - LEAP_DEG),
    Home: () => turn(0),
    End: () => turn(180),
    ...keys,
  };
  dial.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  });
  return { set };
}
