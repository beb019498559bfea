// Ambisonics for two ears: AmbiX (W Y Z X, SN3D) through Omnitone's head-related responses, the head turned.

import Omnitone from "./vendor/omnitone.js";

/**
 * How the sounds turn when the head does, as Omnitone wants it: nine numbers, column after column, for axes right,
 * up and backwards. yawDeg: where the nose points, +90 left. pitchDeg: +90 up. Sounds turn the other way round.
 */
export function headMatrix(yawDeg, pitchDeg = 0) {
  const [yaw, pitch] = [(yawDeg * Math.PI) / 180, (pitchDeg * Math.PI) / 180];
  const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  // x' = x cy - z sy, z' = x sy + z cy (yaw); then y'' = y cp + z' sp, z'' = -y sp + z' cp (pitch)
  return new Float32Array([cy, sy * sp, sy * cp, 0, cp, -sp, -sy, cy * sp, cy * cp]);
}

/** A head in an audio context: connect ambisonics to `input`, hear `output`, turn it with `look`. */
export async function makeHead(context) {
  const renderer = Omnitone.createFOARenderer(context);
  await renderer.initialize();
  return {
    input: renderer.input,
    output: renderer.output,
    look: (yawDeg, pitchDeg = 0) => renderer.setRotationMatrix3(headMatrix(yawDeg, pitchDeg)),
  };
}

/** True for a decoded sound that has directions in it. */
export const isAmbisonic = (buffer) => buffer.numberOfChannels >= 4;
