// The banner, the line about the collection, and what an error means to the one who reads it.

import * as api from "./api.js";
import { byId } from "./dom.js";
import { count } from "./words.js";

const POLL_MS = 5000;
const REFILL = "Put recordings into its folder and run “elsa index FOLDER”.";
const REOPEN = "Index a folder with “elsa index FOLDER” and start this page for it.";

/** How the page stands with the server. `ready(health)` is called whenever the server answers again. */
export class Notices {
  constructor(ready) {
    this.ready = ready;
    this.polling = null;
    byId("retry").addEventListener("click", () => this.check());
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      api.useToken(byId("token").value);
      this.check();
    });
  }

  /** Ask the server how it is; show what it says. */
  async check() {
    clearTimeout(this.polling);
    try {
      const health = await api.health();
      this.hide();
      this.tell(health);
      await this.ready(health);
    } catch (error) {
      byId("collection").textContent = "";
      this.explain(error);
    }
  }

  tell({ model, index }) {
    const line = byId("collection");
    if (index?.files) {
      line.textContent = `${count(index.files, "file")}, ${count(index.windows, "window")} · ${model}`;
      return;
    }
    const why = index ? "The collection is empty." : "No collection is open.";
    line.textContent = why;
    this.show(`${why} ${index ? REFILL : REOPEN} Recordings can be described all the same.`);
  }

  /** Show an error where it belongs; gives its words. */
  explain(error) {
    if (error instanceof api.ServerGone) {
      this.show("The server does not answer. It may have been stopped; this page tries again by itself.");
      clearTimeout(this.polling);
      this.polling = setTimeout(() => this.check(), POLL_MS);
    } else if (error instanceof api.NeedsToken) {
      this.show("This server asks for a token. It was printed where the server was started.", { token: true });
    }
    return error.message;
  }

  show(text, { token = false } = {}) {
    byId("banner-text").textContent = text;
    byId("token-form").hidden = !token;
    byId("banner").hidden = false;
  }

  hide() {
    byId("banner").hidden = true;
  }
}
