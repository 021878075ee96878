// The timeline in the browser: panels on one time axis, windows to drag on it, and a transport.
// All times are in seconds. Taught in notebook 06.

import { Axis } from "./axis.js";
import { clamp, interval, node, percent, STEP, toMs } from "./basics.js";
import { Gestures } from "./gestures.js";
import { drawTicks, Panels, spanRows } from "./pictures.js";
import { Player } from "./player.js";
import { icon, TEMPLATE } from "./template.js";
import { Windows } from "./windows.js";

const REPORT_MS = 250; // between two positions sent while playing
let views = 0; // a radio group needs a name of its own

class Timeline {
  constructor(model, el) {
    this.model = model;
    // JupyterLab would take the keys that are meant for the timeline.
    this.root = node("div", { class: "textsep-timeline", "data-lm-suppress-shortcuts": "true" });
    this.root.innerHTML = TEMPLATE;
    el.append(this.root);
    this.group = `textsep-track-${views++}`;
    this.failures = { panels: "", tracks: "" };
    const find = (selector) => this.root.querySelector(selector);
    this.playhead = find(".playhead");
    this.axisElement = find(".axis");
    this.axis = new Axis(find(".scroller"), find(".content"), () => this.schedule());
    this.panels = new Panels(find(".timeline-panels"), find(".scales"));
    this.windows = new Windows(find(".windows"), this.axis, (values) => this.#changed(values));
    this.player = new Player(() => this.#stopped());
    new Gestures(find(".area"), this.axis, this.windows, (time) => this.seek(time));
    this.#listen();
    this.#observe();
    this.#loadAll();
  }

  // ---- between the model and the page

  #listen() {
    this.handlers = {
      duration: () => this.#loadDuration(),
      panels: () => this.#loadPanels(),
      tracks: () => this.#loadTracks(),
      track: () => this.#loadTrack(),
      windows: () => this.#loadWindows(),
      spans: () => this.#loadSpans(),
      fade: () => this.#loadWindows(),
      mode: () => this.#loadWindows(),
      position: () => this.#loadPosition(),
    };
    for (const [name, handler] of Object.entries(this.handlers)) {
      this.model.on(`change:${name}`, handler);
    }
    const on = (selector, event, handler) =>
      this.root.querySelector(selector).addEventListener(event, handler);
    on(".axis", "click", ({ clientX }) => this.seek(this.axis.timeAt(clientX)));
    on(".tracks", "change", ({ target }) => this.choose(Number(target.value)));
    on(".bar", "click", ({ target }) => this.#act(target.closest("button")?.dataset.do));
    on(".windows", "focusin", () => this.#say());
    this.root.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Draw again when size, theme or colour scheme change. */
  #observe() {
    this.resized = new ResizeObserver(() => this.schedule());
    this.resized.observe(this.axis.scroller);
    this.themed = new MutationObserver(() => this.schedule());
    this.themed.observe(document.body, { attributeFilter: ["data-jp-theme-name"] });
    this.scheme = window.matchMedia("(prefers-color-scheme: dark)");
    this.onScheme = () => this.schedule();
    this.scheme.addEventListener("change", this.onScheme);
  }

  #loadAll() {
    this.#loadDuration();
    this.#loadPanels();
    this.#loadTracks();
    this.#loadPosition();
  }

  #send(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
    this.#say();
  }

  #changed(windows) {
    this.#send({ windows });
    if (!windows.length) this.axisElement.focus({ preventScroll: true }); // it was on the last one
  }

  #loadDuration() {
    this.axis.duration = this.model.get("duration");
    this.root.classList.toggle("empty", this.axis.duration <= 0);
    this.axisElement.setAttribute("aria-valuemax", this.axis.duration);
    if (this.player.run) this.player.stop(0);
    this.player.at = 0;
    this.axis.zoomTo(1);
    this.#loadWindows();
    this.#loadSpans();
    this.#showPosition();
  }

  async #loadPanels() {
    this.#fail("panels", await this.panels.load(this.model.get("panels")));
    this.#loadTrack();
    this.schedule();
  }

  async #loadTracks() {
    const tracks = this.model.get("tracks");
    this.#fail("tracks", await this.player.load(tracks));
    if (tracks === this.model.get("tracks")) this.#buildTracks(tracks);
    this.#loadTrack();
    this.#say();
  }

  #buildTracks(tracks) {
    const focused = this.root.querySelector(".tracks").contains(document.activeElement);
    const choices = tracks.map(({ name }, k) => {
      const input = node("input", { type: "radio", name: this.group, value: k });
      input.disabled = !this.player.buffers[k];
      return node("label", { title: `Key ${k + 1}` }, input, node("span", {}, name));
    });
    this.root.querySelector(".tracks").replaceChildren(...choices);
    this.root.querySelector(".tracks").hidden = tracks.length < 2;
    if (focused) this.axisElement.focus({ preventScroll: true });
  }

  #loadTrack() {
    const tracks = this.model.get("tracks");
    const track = clamp(this.model.get("track"), 0, Math.max(0, tracks.length - 1));
    this.player.choose(track);
    const inputs = this.root.querySelectorAll(".tracks input");
    if (inputs[track]) inputs[track].checked = true;
    this.panels.mark(tracks.length > 1 ? tracks[track].name : null);
    this.schedule();
  }

  #loadWindows() {
    this.windows.style = { fade: this.model.get("fade"), mode: this.model.get("mode") };
    this.windows.load(this.model.get("windows"));
    this.#say();
  }

  #loadSpans() {
    const { duration } = this.axis;
    const rows = duration > 0 ? spanRows(this.model.get("spans"), duration) : [];
    this.root.querySelector(".spans").replaceChildren(...rows);
    this.root.style.setProperty("--span-rows", rows.length);
  }

  #loadPosition() {
    if (this.player.run) return; // it may be an echo of where it was
    this.player.at = clamp(this.model.get("position"), 0, this.axis.duration);
    this.#showPosition();
  }

  // ---- what is seen

  schedule() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.#draw();
      this.#enable();
    });
  }

  #draw() {
    const width = this.axis.scroller.clientWidth;
    const { duration, visible } = this.axis;
    if (!width || duration <= 0) return; // hidden, or nothing to show
    drawTicks(this.axisElement.firstElementChild, width, this.axisElement.clientHeight, visible);
    this.panels.draw(width, visible.map((time) => time / duration));
  }

  #showPosition() {
    const { duration } = this.axis;
    const { position } = this.player;
    this.playhead.style.left = percent(duration > 0 ? position / duration : 0);
    const now = position.toFixed(2);
    this.root.querySelector(".clock").textContent = `${now} / ${duration.toFixed(2)} s`;
    this.axisElement.setAttribute("aria-valuenow", toMs(position));
    this.axisElement.setAttribute("aria-valuetext", `${now} s`);
  }

  /** Say the windows in numbers. */
  #say() {
    const { values } = this.windows;
    const what = values.length === 1 ? "1 window" : `${values.length} windows`;
    let text = `${what}: ${values.map(interval).join("; ")}.`;
    if (!values.length) text = "No window: the whole recording.";
    if (this.axis.duration <= 0) text = "No recording yet.";
    const status = this.root.querySelector(".status");
    if (status.textContent !== text) status.textContent = text;
    this.root.classList.toggle("unmarked", values.length === 0);
    this.#enable();
  }

  /** Enable the buttons that make sense. */
  #enable() {
    const { axis, windows } = this;
    const playable = this.player.buffers.some(Boolean);
    const actions = {
      play: playable,
      playWindow: playable && windows.values.length > 0,
      add: axis.duration > 0,
      remove: windows.selected >= 0,
      out: axis.zoom > 1,
      fit: axis.zoom > 1,
      in: axis.zoom < axis.highest,
    };
    for (const [action, enabled] of Object.entries(actions)) {
      this.root.querySelector(`[data-do=${action}]`).disabled = !enabled;
    }
  }

  #fail(part, sentence) {
    if (sentence === null) return;
    this.failures[part] = sentence;
    const text = Object.values(this.failures).filter(Boolean).join(" ");
    const error = this.root.querySelector(".error");
    error.textContent = text;
    error.hidden = !text;
  }

  // ---- what can be done

  #act(action) {
    const { axis, windows, player } = this;
    const actions = {
      play: () => this.toggle(),
      playWindow: () => this.#play(windows.current[0], windows.current),
      loop: () => this.#loop(!player.loop),
      add: () => windows.add(player.position),
      remove: () => windows.remove(),
      out: () => axis.zoomTo(axis.zoom / 2),
      in: () => axis.zoomTo(axis.zoom * 2),
      fit: () => axis.zoomTo(1),
    };
    actions[action]?.();
  }

  #play(from, range) {
    this.player.play(from, range);
    this.#showButton();
    this.#tick(0);
  }

  toggle() {
    if (this.player.run) this.player.stop();
    else this.#play(this.player.at, [0, this.axis.duration]);
  }

  #loop(on) {
    this.player.setLoop(on);
    this.root.querySelector("[data-do=loop]").setAttribute("aria-pressed", on);
  }

  #tick(reported) {
    if (!this.player.run) return;
    cancelAnimationFrame(this.ticking);
    const { position } = this.player;
    this.playhead.style.left = percent(position / this.axis.duration);
    if (!this.windows.drag) this.axis.follow(position);
    const due = performance.now() - reported > REPORT_MS;
    if (due) this.#report();
    this.ticking = requestAnimationFrame(() => this.#tick(due ? performance.now() : reported));
  }

  #report() {
    this.#showPosition();
    this.#send({ position: toMs(this.player.position) });
  }

  #stopped() {
    this.#showButton();
    this.#report();
  }

  #showButton() {
    const playing = Boolean(this.player.run);
    const play = this.root.querySelector("[data-do=play]");
    const text = playing ? "Pause" : "Play";
    play.innerHTML = `${icon(text.toLowerCase())}<span>${text}</span>`;
    play.setAttribute("aria-label", text);
  }

  seek(time) {
    this.player.seek(clamp(time, 0, this.axis.duration));
    this.axisElement.focus({ preventScroll: true });
    this.#report();
  }

  choose(track) {
    if (this.player.buffers[track]) this.#send({ track });
  }

  #key(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    let taken = true;
    if (key === " " && !target.closest("button")) this.toggle();
    else if (/^[1-9]$/.test(key)) this.choose(key - 1);
    else if (key === "Escape" && this.windows.drag) this.windows.cancel();
    else if (target.closest(".window")) taken = this.windows.key(event);
    else if (target === this.axisElement) taken = this.#axisKey(event);
    else taken = false;
    if (taken) event.preventDefault();
    if (taken) event.stopPropagation();
  }

  #axisKey({ key, shiftKey }) {
    const step = shiftKey ? 10 * STEP : STEP;
    const { position } = this.player;
    const places = {
      ArrowLeft: position - step,
      ArrowRight: position + step,
      Home: 0,
      End: this.axis.duration,
    };
    if (key in places) {
      this.seek(places[key]);
      this.axis.follow(this.player.position);
    } else if (key === "Enter") this.windows.add(position);
    else return false;
    return true;
  }

  dispose() {
    for (const [name, handler] of Object.entries(this.handlers)) {
      this.model.off(`change:${name}`, handler);
    }
    this.resized.disconnect();
    this.themed.disconnect();
    this.scheme.removeEventListener("change", this.onScheme);
    cancelAnimationFrame(this.frame);
    cancelAnimationFrame(this.ticking);
    this.player.close();
    this.root.remove();
  }
}

export default {
  render({ model, el }) {
    const timeline = new Timeline(model, el);
    return () => timeline.dispose();
  },
};
