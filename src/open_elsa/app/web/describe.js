// A dropped file in words: what is heard in it, where, how sure, and what else is likely.

import * as api from "./api.js";
import { compass, dot, head, sector } from "./compass.js";
import { byId, element } from "./dom.js";
import { azimuth, height, isNumber, metres, room, signed, span } from "./words.js";

export class Describer {
  /** `acts`: {play(sound), search(file), failed(error) -> told}. */
  constructor(acts) {
    this.acts = acts;
    this.asking = null;
    byId("file").addEventListener("change", (event) => {
      const [file] = event.target.files;
      if (file) this.describe(file);
      event.target.value = ""; // the same file may be chosen again
    });
    this.watchDrops();
  }

  watchDrops() {
    const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
    const veil = (shown) => {
      byId("veil").hidden = !shown;
    };
    let depth = 0; // enter and leave come for every element that is passed
    window.addEventListener("dragenter", (event) => {
      if (carriesFile(event) && ++depth === 1) veil(true);
    });
    window.addEventListener("dragleave", (event) => {
      if (carriesFile(event) && --depth <= 0) {
        depth = 0;
        veil(false);
      }
    });
    window.addEventListener("dragover", (event) => {
      if (carriesFile(event)) event.preventDefault();
    });
    window.addEventListener("drop", (event) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      depth = 0;
      veil(false);
      const [file] = event.dataTransfer.files;
      if (file) this.describe(file);
    });
  }

  async describe(file) {
    this.asking?.abort();
    const asking = new AbortController();
    this.asking = asking;
    byId("describe").scrollIntoView({ block: "nearest" });
    byId("described").hidden = true;
    byId("describe-status").textContent = `Listening to ${file.name}…`;
    try {
      const told = await api.describe(file, asking.signal);
      byId("describe-status").textContent = "";
      this.show(file, told);
    } catch (error) {
      if (!asking.signal.aborted) byId("describe-status").textContent = `${file.name}: ${this.acts.failed(error)}`;
    }
  }

  show(file, told) {
    const where = told.location ?? {};
    const sound = {
      key: `file\n${file.name}\n${file.lastModified}`,
      title: file.name,
      where,
      load: () => file.arrayBuffer(),
    };
    const heading = element("h3", { attrs: { tabindex: "-1" } }, told.text);
    byId("described").replaceChildren(
      isNumber(where.azimuth_deg) ? picture(where) : "",
      element(
        "div",
        { className: "told" },
        element("p", { className: "source" }, file.name, element("span", { className: "span" }, span(told))),
        heading,
        facts(where),
        tags(told.tags ?? []),
        element(
          "div",
          { className: "actions" },
          button("▶ Play", () => this.acts.play(sound)),
          button("Find sounds like it", () => this.acts.search(file)),
        ),
        ...(told.notes ?? []).map((note) => element("p", { className: "hint" }, note)),
      ),
    );
    byId("described").hidden = false;
    heading.focus({ preventScroll: true });
    byId("described").scrollIntoView({ block: "nearest" });
  }
}

const button = (label, act) => element("button", { type: "button", on: { click: act } }, label);

function picture(where) {
  const svg = compass({ large: true, label: `Heard ${azimuth(where.azimuth_deg)}${unsure(where)}` });
  if (isNumber(where.uncertainty_deg)) {
    svg.append(sector(where.azimuth_deg, Math.min(360, 2 * where.uncertainty_deg), "cone"));
  }
  svg.append(head(0, 1), dot(where, { radius: 7 }));
  return svg;
}

const unsure = (where) =>
  isNumber(where.uncertainty_deg) ? `, give or take ${Math.round(where.uncertainty_deg)} degrees` : "";

function facts(where) {
  const rows = [];
  if (isNumber(where.azimuth_deg)) {
    const give = isNumber(where.uncertainty_deg) ? `, ± ${Math.round(where.uncertainty_deg)}°` : "";
    rows.push(["Direction", azimuth(where.azimuth_deg) + give]);
  } else rows.push(["Direction", "not known: one channel, or silence"]);
  if (isNumber(where.elevation_deg))
    rows.push(["Height", `${height(where.elevation_deg)} (${signed(where.elevation_deg)}°)`]);
  if (isNumber(where.distance_m)) rows.push(["Distance", metres(where.distance_m)]);
  if (room(where)) rows.push(["Room", room(where)]);
  return element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function tags(likely) {
  const rows = likely.map(([name, share]) => {
    const fill = element("i");
    fill.style.width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
    return element(
      "li",
      {},
      element("span", { className: "tag" }, name),
      element("span", { className: "bar", attrs: { "aria-hidden": "true" } }, fill),
      element("span", { className: "share" }, `${Math.round(100 * share)} %`),
    );
  });
  return element("ul", { className: "tags", attrs: { "aria-label": "Likely sounds" } }, ...rows);
}
