// The player at the foot of the page: transport, where you look, and what each ear hears.

import { compass, dot, head } from "./compass.js";
import { makeDial } from "./dial.js";
import { byId, debounce } from "./dom.js";
import { Engine } from "./engine.js";
import { azimuth, clock, direction, isNumber, wrap } from "./words.js";

const PITCH_STEP_DEG = 10;
const PITCH_MOST_DEG = 60;
const FLOOR_DB = -60;

/** Where a sound is as seen from the nose: "ahead of you", "on your back left". */
function relative(azimuthDeg) {
  const word = direction(azimuthDeg);
  return word === "ahead" ? "ahead of you" : word === "behind" ? "behind you" : `to your ${word}`;
}

export class Player {
  /** `changed(key, playing)` after every start and stop; `moved(key, share)` while it plays; `failed(error)`. */
  constructor({ changed, moved, failed }) {
    Object.assign(this, { changed, moved, failed });
    this.engine = new Engine(() => this.show());
    this.sound = null;
    this.loading = null;
    this.yawDeg = 0;
    this.pitchDeg = 0;
    this.dial = makeDial(byId("head"), {
      turned: (azimuthDeg) => this.look(azimuthDeg, this.pitchDeg),
      keys: {
        ArrowUp: () => this.look(this.yawDeg, Math.min(this.pitchDeg + PITCH_STEP_DEG, PITCH_MOST_DEG)),
        ArrowDown: () => this.look(this.yawDeg, Math.max(this.pitchDeg - PITCH_STEP_DEG, -PITCH_MOST_DEG)),
        Home: () => this.look(0, 0),
        " ": () => this.toggle(),
      },
    });
    this.tellLook = debounce(() => this.sayLook(), 300);
    byId("play").addEventListener("click", () => this.toggle());
    byId("close-player").addEventListener("click", () => this.close());
    byId("seek").addEventListener("input", (event) => {
      this.engine.seek(Number(event.target.value));
      this.show();
    });
    byId("repeat").addEventListener("change", (event) => {
      if (this.engine.buffer) this.engine.setRepeat(event.target.checked);
      else this.engine.repeat = event.target.checked;
    });
  }

  /** Play a sound, or pause it where it plays already. sound: {key, title, where, load(signal) -> ArrayBuffer}. */
  async play(sound, fromShare = null) {
    if (this.sound?.key === sound.key && this.engine.buffer) {
      if (fromShare === null) return this.toggle();
      this.engine.play(fromShare * this.engine.duration);
      return this.show();
    }
    this.loading?.abort();
    const loading = new AbortController();
    this.loading = loading;
    try {
      const bytes = await sound.load(loading.signal);
      await this.take(sound, bytes, loading.signal);
    } catch (error) {
      if (!loading.signal.aborted) this.failed(error);
      return undefined;
    }
    if (loading.signal.aborted) return undefined;
    this.engine.play((fromShare ?? 0) * this.engine.duration);
    return this.show();
  }

  async take(sound, bytes, signal) {
    try {
      await this.engine.load(bytes);
    } catch {
      throw new Error("Your browser cannot play this file.");
    }
    if (signal.aborted) return;
    const before = this.sound;
    this.sound = sound;
    if (before) this.changed(before.key, false);
    byId("playing").textContent = sound.title;
    byId("player").hidden = false;
    document.body.classList.add("has-player");
    byId("head").hidden = byId("ears").hidden = !this.engine.ambisonic;
    this.look(this.yawDeg, this.pitchDeg);
  }

  toggle() {
    if (!this.engine.buffer) return;
    if (this.engine.playing) this.engine.pause();
    else this.engine.play();
    this.show();
  }

  close() {
    this.loading?.abort();
    this.engine.pause();
    this.show();
    if (this.sound) this.changed(this.sound.key, false);
    this.sound = null;
    this.engine.buffer = null;
    byId("player").hidden = true;
    document.body.classList.remove("has-player");
  }

  /** Turn the head: azimuth of the nose, +90 left, and its height. */
  look(yawDeg, pitchDeg) {
    this.yawDeg = wrap(yawDeg);
    this.pitchDeg = pitchDeg;
    this.engine.look(this.yawDeg, pitchDeg);
    this.dial.set(this.yawDeg);
    const high = pitchDeg ? `, ${Math.abs(pitchDeg)} degrees ${pitchDeg > 0 ? "up" : "down"}` : "";
    byId("head").setAttribute("aria-valuetext", `${direction(this.yawDeg)}, ${Math.round(this.yawDeg)} degrees${high}`);
    const stage = compass();
    const where = this.sound?.where;
    if (where && isNumber(where.azimuth_deg)) stage.append(dot(where, { radius: 11 }));
    stage.append(head(this.yawDeg, 1.9));
    byId("head").replaceChildren(stage);
    this.tellLook();
  }

  sayLook() {
    if (!this.engine.ambisonic) {
      byId("look").textContent = "One channel: the same in both ears.";
      return;
    }
    const height = this.pitchDeg ? `, ${Math.abs(this.pitchDeg)}° ${this.pitchDeg > 0 ? "up" : "down"}` : "";
    const where = this.sound?.where;
    const heard =
      where && isNumber(where.azimuth_deg) ? `; the sound is ${relative(where.azimuth_deg - this.yawDeg)}` : "";
    byId("look").textContent = `You look ${azimuth(this.yawDeg)}${height}${heard}.`;
  }

  show() {
    const { playing } = this.engine;
    byId("play").textContent = playing ? "❚❚" : "▶";
    byId("play").setAttribute("aria-label", playing ? "Pause" : "Play");
    byId("seek").max = String(this.engine.duration);
    this.drawTime();
    if (this.sound) this.changed(this.sound.key, playing);
    if (playing && !this.drawing) this.draw();
  }

  drawTime() {
    const { position, duration } = this.engine;
    byId("seek").value = String(position);
    byId("seek").setAttribute("aria-valuetext", `${clock(position)} of ${clock(duration)}`);
    byId("time").textContent = `${clock(position)} / ${clock(duration)}`;
    if (this.sound) this.moved(this.sound.key, duration ? position / duration : 0);
  }

  draw() {
    this.drawing = this.engine.playing;
    const levels = this.engine.playing ? this.engine.levels() : [0, 0];
    ["left-ear", "right-ear"].forEach((ear, i) => {
      const db = 20 * Math.log10(Math.max(levels[i], 1e-6));
      byId(ear).style.setProperty("--level", Math.max(0, 1 - db / FLOOR_DB).toFixed(3));
    });
    if (!this.drawing) return;
    this.drawTime();
    requestAnimationFrame(() => this.draw());
  }
}
