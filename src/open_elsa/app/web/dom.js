// Small helpers for elements. Text always goes in as text: names of files come from anywhere.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);
export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** An HTML element: properties by name, attributes in `attrs`, then children (strings become text). */
export function element(tag, { attrs = {}, on = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attrs)) made.setAttribute(name, value);
  for (const [name, handler] of Object.entries(on)) made.addEventListener(name, handler);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** An SVG element. */
export function shape(tag, attrs = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attrs)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The value of the chosen radio button of a name. */
export const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;
export function choose(name, value) {
  document.querySelector(`input[name="${name}"][value="${value}"]`).checked = true;
}

/** Call `action` once nothing has asked for it for `ms`. */
export function debounce(action, ms) {
  let waiting;
  return () => {
    clearTimeout(waiting);
    waiting = setTimeout(action, ms);
  };
}

/** Make a canvas as sharp as the screen; gives its context and its size in CSS pixels. */
export function sharpen(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return { context, width, height };
}

/** A colour of the style sheet, as the scheme in use has it. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
