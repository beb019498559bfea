// Sound that plays: one at a time, ambisonic ones through a head that can turn, with a level for each ear.

import { isAmbisonic, makeHead } from "./binaural.js";

const FADE_S = 0.02; // against clicks where a sound starts in its middle

export class Engine {
  constructor(ended) {
    this.ended = ended;
    this.context = null;
    this.buffer = null;
    this.source = null;
    this.offset = 0;
    this.repeat = true;
    this.yawDeg = 0;
    this.pitchDeg = 0;
  }

  async prepare() {
    if (this.context) return this.context.resume();
    // made on first use: browsers want a click before they let a page sound
    this.context = new AudioContext();
    // two ears, whatever comes: one channel goes to both
    this.ears = new GainNode(this.context, { channelCount: 2, channelCountMode: "explicit" });
    this.ears.connect(this.context.destination);
    const split = new ChannelSplitterNode(this.context, { numberOfOutputs: 2 });
    this.ears.connect(split);
    this.meters = [0, 1].map((ear) => {
      const meter = new AnalyserNode(this.context, { fftSize: 2048 });
      split.connect(meter, ear);
      return meter;
    });
    this.head = await makeHead(this.context);
    this.head.output.connect(this.ears);
    this.head.look(this.yawDeg, this.pitchDeg);
    return this.context.resume();
  }

  /** Take a new sound, the bytes of a file; whatever played falls silent. */
  async load(bytes) {
    await this.prepare();
    const buffer = await this.context.decodeAudioData(bytes);
    this.pause();
    this.buffer = buffer;
    this.offset = 0;
  }

  get duration() {
    return this.buffer ? this.buffer.duration : 0;
  }

  get ambisonic() {
    return this.buffer !== null && isAmbisonic(this.buffer);
  }

  get playing() {
    return this.source !== null;
  }

  get position() {
    if (!this.source) return this.offset;
    const now = this.offset + this.context.currentTime - this.startedAt;
    return this.repeat ? now % this.duration : Math.min(now, this.duration);
  }

  play(from = this.offset) {
    this.pause();
    this.offset = from >= this.duration ? 0 : Math.max(0, from);
    const source = new AudioBufferSourceNode(this.context, { buffer: this.buffer, loop: this.repeat });
    const fade = new GainNode(this.context, { gain: 0 });
    fade.gain.linearRampToValueAtTime(1, this.context.currentTime + FADE_S);
    source.connect(fade);
    fade.connect(this.ambisonic ? this.head.input : this.ears);
    source.onended = () => {
      if (this.source !== source) return; // it was stopped by hand
      this.source = null;
      this.offset = 0;
      this.ended();
    };
    this.source = source;
    this.startedAt = this.context.currentTime;
    source.start(0, this.offset);
  }

  pause() {
    if (!this.source) return;
    this.offset = this.position;
    const source = this.source;
    this.source = null;
    source.stop();
    source.disconnect();
  }

  seek(to) {
    const sounding = this.playing;
    this.pause();
    this.offset = to;
    if (sounding) this.play(to);
  }

  setRepeat(repeat) {
    const sounding = this.playing;
    this.pause();
    this.repeat = repeat;
    if (sounding) this.play();
  }

  look(yawDeg, pitchDeg) {
    this.yawDeg = yawDeg;
    this.pitchDeg = pitchDeg;
    if (this.head) this.head.look(yawDeg, pitchDeg);
  }

  /** RMS at the left and the right ear just now, 0 to 1. */
  levels() {
    return this.meters.map((meter) => {
      const wave = new Float32Array(meter.fftSize);
      meter.getFloatTimeDomainData(wave);
      return Math.sqrt(wave.reduce((sum, value) => sum + value * value, 0) / wave.length);
    });
  }
}
