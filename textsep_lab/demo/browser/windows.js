// Windows on the axis: their elements, and what dragging and keys do to them.

import { clamp, interval, node, percent, SHORTEST, STEP, toMs } from "./basics.js";

const NEW_WINDOW = 1; // length of one that is added without drawing it
const NEAR = 0.01; // a window moved by keys stops so far from its neighbour, and does not merge

/** Round to ms, keep within the recording, sort, and merge what overlaps or touches. */
function tidy(windows, duration) {
  const merged = [];
  const inside = windows.map((pair) => pair.map((time) => clamp(toMs(time), 0, duration)));
  for (const [start, end] of inside.sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else if (end > start) merged.push([start, end]);
  }
  return merged;
}

/** The windows as focusable elements, what dragging and keys do to them. */
export class Windows {
  constructor(layer, axis, onChange) {
    Object.assign(this, { layer, axis, onChange, values: [], selected: -1, drag: null });
    this.style = { fade: 0, mode: "keep" };
    layer.addEventListener("focusin", ({ target }) => this.select(this.indexOf(target)));
  }

  indexOf(target) {
    return [...this.layer.children].indexOf(target.closest(".window"));
  }

  /** The window that is selected, or the first. */
  get current() {
    return this.values[this.selected] ?? this.values[0];
  }

  load(values) {
    if (this.drag) return; // what is being dragged wins, when it is dropped
    this.values = tidy(values, this.axis.duration);
    this.show();
  }

  show() {
    const { layer, values } = this;
    while (layer.children.length > values.length) layer.lastChild.remove();
    while (layer.children.length < values.length) layer.append(Windows.#build());
    values.forEach((window, k) => this.#place(layer.children[k], window, k));
    this.select(Math.min(this.selected, values.length - 1));
  }

  static #build() {
    const names = ["fill", "tab", "edge start", "edge end"];
    const parts = names.map((name) => node("div", { class: name }));
    parts[2].dataset.edge = "start";
    parts[3].dataset.edge = "end";
    const role = { role: "slider", tabindex: "0", "aria-valuemin": "0" };
    return node("div", { class: "window", ...role }, ...parts);
  }

  #place(element, [start, end], k) {
    const { duration } = this.axis;
    const [length, verb] = [end - start, this.style.mode === "remove" ? "removed" : "kept"];
    const edge = percent(Math.min(this.style.fade / length, 0.5));
    element.style.left = percent(start / duration);
    element.style.width = percent(length / duration);
    // At the very start and end of the recording there is nothing to fade from.
    element.style.setProperty("--rise", start > 0 ? edge : "0%");
    element.style.setProperty("--fall", end < duration ? edge : "0%");
    element.classList.toggle("remove", this.style.mode === "remove");
    element.querySelector(".tab").textContent = `${start.toFixed(2)}–${end.toFixed(2)} s`;
    const label = `Window ${k + 1} of ${this.values.length}, sound ${verb}`;
    const now = { valuemax: duration, valuenow: start, valuetext: interval([start, end]), label };
    for (const [name, value] of Object.entries(now)) element.setAttribute(`aria-${name}`, value);
  }

  select(index) {
    this.selected = index;
    [...this.layer.children].forEach((element, k) => {
      element.classList.toggle("selected", k === index);
    });
  }

  /** Take new values; `active` is the one that was changed, and stays selected. */
  commit(values, active = null) {
    this.values = tidy(values, this.axis.duration);
    if (active) {
      const middle = (active[0] + active[1]) / 2;
      this.selected = this.values.findIndex(([start, end]) => start <= middle && middle <= end);
    }
    this.show();
    this.layer.children[this.selected]?.focus({ preventScroll: true });
    this.onChange(this.values);
  }

  grab(target, time) {
    const index = this.indexOf(target);
    this.drag = { index, edge: target.dataset.edge, from: time, before: this.values };
    return index >= 0;
  }

  pull(time) {
    const { index, edge, from, before } = this.drag;
    const isNew = index < 0;
    const shift = () => this.#shift(before[index], edge, time - from);
    const active = isNew ? this.#stretch(from, time) : shift();
    this.drag.active = active;
    this.values = isNew ? [...before, active] : before.with(index, active);
    this.show();
    this.select(isNew ? before.length : index);
  }

  drop() {
    const { active } = this.drag;
    this.drag = null;
    if (active) this.commit(this.values, active);
  }

  cancel() {
    if (!this.drag) return;
    this.values = this.drag.before;
    this.drag = null;
    this.show();
  }

  #stretch(from, to) {
    const { duration } = this.axis;
    const [start, end] = [Math.min(from, to), Math.max(from, to)];
    if (end - start >= SHORTEST) return [start, end];
    const low = clamp(to < from ? end - SHORTEST : start, 0, duration - SHORTEST);
    return [low, Math.min(low + SHORTEST, duration)];
  }

  #shift([start, end], edge, by) {
    const { duration } = this.axis;
    if (edge === "start") return [clamp(start + by, 0, end - SHORTEST), end];
    if (edge === "end") return [start, Math.min(Math.max(end + by, start + SHORTEST), duration)];
    const first = clamp(start + by, 0, duration - (end - start));
    return [first, first + (end - start)];
  }

  /** Add one at a moment that is in no window yet; select the nearest if there is no room. */
  add(time) {
    const { duration } = this.axis;
    const length = clamp(duration / 4, SHORTEST, NEW_WINDOW);
    const wish = clamp(time, 0, duration - length);
    const [before, after] = this.#gap((pair) => pair[0] <= time, (pair) => pair[0] > time);
    const added = [Math.max(before, wish), Math.min(wish + length, after)];
    if (added[1] - added[0] >= SHORTEST) return this.commit([...this.values, added], added);
    const distances = this.values.map(([start, end]) => Math.max(start - time, time - end));
    return this.layer.children[distances.indexOf(Math.min(...distances))].focus();
  }

  #gap(isBefore, isAfter) {
    const before = this.values.findLast(isBefore);
    const after = this.values.find(isAfter);
    return [before ? before[1] + NEAR : 0, after ? after[0] - NEAR : this.axis.duration];
  }

  remove(index = this.selected) {
    if (!this.values[index]) return;
    this.selected = Math.min(index, this.values.length - 2);
    this.commit(this.values.filter((_, k) => k !== index));
  }

  /** Arrows move, with shift they move the end, Delete removes; true if the key was one of them. */
  key({ key, shiftKey }) {
    const pair = this.values[this.selected];
    if (key === "Delete" || key === "Backspace") this.remove();
    else if (key === "ArrowLeft" || key === "ArrowRight") {
      const [low, high] = this.#gap((w) => w[0] < pair[0], (w) => w[0] > pair[0]);
      const by = key === "ArrowLeft" ? -STEP : STEP;
      const [start, end] = this.#shift(pair, shiftKey ? "end" : undefined, by);
      const excess = Math.max(0, end - high) - Math.max(0, low - start);
      const moved = shiftKey ? [start, end - excess] : [start - excess, end - excess];
      this.commit(this.values.with(this.selected, moved), moved);
    } else return false;
    return true;
  }
}
