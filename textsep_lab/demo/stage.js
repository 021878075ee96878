// The stage in the browser: lanes on one time axis, windows to drag on it, and a transport.
// All times are in seconds. Taught in notebook 06.

const SHORTEST = 0.05; // window
const STEP = 0.05; // of an arrow key
const NEW_WINDOW = 1; // length of one that is added without drawing it
const NEAR = 0.01; // a window moved by keys stops so far from its neighbour, and does not merge
const CLOSEST_VIEW = 0.25; // seconds across the screen at the highest zoom
const CLICK_PX = 4; // a pointer that moves less has clicked
const REPORT_MS = 250; // between two positions sent while playing
const LOUDEST_GAIN = 8; // waveforms of quiet recordings are drawn larger, up to so much

const clamp = (x, low, high) => Math.max(low, Math.min(x, high));
const toMs = (time) => Math.round(time * 1000) / 1000;
const interval = ([start, end]) => `${start.toFixed(2)} to ${end.toFixed(2)} s`;
const percent = (share) => `${100 * share}%`;

function node(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The bytes of a synced value: a DataView in Jupyter. */
const toBytes = (data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

// ---------------------------------------------------------------- time axis, zoom and scrolling

/** Turns pixels into seconds. The content is as wide as the zoom says, and scrolls. */
class Axis {
  constructor(scroller, content, onView) {
    Object.assign(this, { scroller, content, onView, duration: 0, zoom: 1 });
    scroller.addEventListener("scroll", onView, { passive: true });
    scroller.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  get highest() {
    return Math.max(1, this.duration / CLOSEST_VIEW);
  }

  /** First and last visible second. */
  get visible() {
    const whole = this.content.offsetWidth;
    const left = this.scroller.scrollLeft;
    return [left, left + this.scroller.clientWidth].map((x) => (x / whole) * this.duration);
  }

  timeAt(clientX) {
    const box = this.content.getBoundingClientRect();
    return clamp((clientX - box.left) / box.width, 0, 1) * this.duration;
  }

  /** Zoom so that the moment under `clientX` stays there. */
  zoomTo(zoom, clientX = this.#middle()) {
    const time = this.timeAt(clientX);
    this.zoom = clamp(zoom, 1, this.highest);
    this.content.style.width = percent(this.zoom);
    this.scrollTo(time, clientX);
    this.onView();
  }

  scrollTo(time, clientX = this.#middle()) {
    const x = (time / this.duration) * this.content.offsetWidth;
    this.scroller.scrollLeft = x - (clientX - this.scroller.getBoundingClientRect().left);
  }

  /** Turn the page when the playhead leaves it. */
  follow(time) {
    const [from, to] = this.visible;
    if (time < from || time > to) {
      this.scrollTo(time, this.scroller.getBoundingClientRect().left + 24);
    }
  }

  #middle() {
    const box = this.scroller.getBoundingClientRect();
    return box.left + box.width / 2;
  }

  #wheel(event) {
    if (!event.ctrlKey) return; // scrolls; a pinch on a touchpad comes with ctrlKey
    event.preventDefault();
    this.zoomTo(this.zoom * Math.exp(-clamp(event.deltaY, -50, 50) / 100), event.clientX);
  }
}

// ---------------------------------------------------------------- pictures

/** Return a 2-D context of a canvas so many CSS pixels large, cleared, in device pixels. */
function surface(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  const context = canvas.getContext("2d");
  context.fillStyle = getComputedStyle(canvas).color; // canvas knows no custom properties
  return { context, ratio, columns: canvas.width, rows: canvas.height };
}

/** Draw the lowest and highest value of what each device pixel covers. */
function drawWaveform({ context, columns, rows }, pairs, from, to, gain) {
  const count = pairs.length / 2;
  const scale = ((rows / 2 - 1) / 127) * gain;
  context.beginPath();
  for (let x = 0; x < columns; x++) {
    const [left, right] = [x, x + 1].map((edge) => count * (from + ((to - from) * edge) / columns));
    const first = clamp(Math.floor(left), 0, count - 1);
    const last = clamp(Math.ceil(right), first + 1, count);
    let [low, high] = [127, -127];
    for (let k = first; k < last; k++) {
      low = Math.min(low, pairs[2 * k]);
      high = Math.max(high, pairs[2 * k + 1]);
    }
    const top = rows / 2 - high * scale;
    context.rect(x, top - 0.5, 1, (high - low) * scale + 1);
  }
  context.fill();
}

function drawPicture({ context, columns, rows }, bitmap, from, to) {
  const width = bitmap.width * (to - from);
  context.imageSmoothingEnabled = width > columns || bitmap.height > rows; // frames stay frames
  context.drawImage(bitmap, bitmap.width * from, 0, width, bitmap.height, 0, 0, columns, rows);
}

/** Draw ticks at round times, at least 48 pixels apart. */
function drawTicks(canvas, width, height, [from, to]) {
  const { context, ratio } = surface(canvas, width, height);
  const wish = ((to - from) / width) * 48;
  const power = 10 ** Math.floor(Math.log10(wish));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= wish);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  context.scale(ratio, ratio);
  context.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  for (let k = Math.ceil(from / step - 1e-6); k * step <= to * (1 + 1e-9); k++) {
    const x = ((k * step - from) / (to - from)) * width;
    const text = (k * step).toFixed(decimals);
    const half = context.measureText(text).width / 2;
    context.fillRect(clamp(x - 0.5, 0, width - 1), height - 5, 1, 5);
    context.fillText(text, clamp(x - half, 0, width - 2 * half), height - 9);
  }
}

const mel = (hz) => Math.log10(1 + hz / 700);

/** Labels for a frequency axis that is even in mel, as many as find room. */
function frequencyLabels(topKhz, height) {
  const labels = [];
  let free = -Infinity;
  for (const hz of [0, 500, 1000, 2000, 4000, 8000, 16000]) {
    const share = mel(hz) / mel(1000 * topKhz);
    if (share > 1 || share * height < free) continue;
    free = share * height + 13;
    const label = node("span", {}, hz < 1000 ? `${hz}` : `${hz / 1000} k`);
    label.style.bottom = `${clamp(share * height, 4, height - 5)}px`;
    labels.push(label);
  }
  return labels;
}

/** The pictures under each other, their titles, and their scales in the gutter. */
class Lanes {
  constructor(column, gutter) {
    Object.assign(this, { column, gutter, lanes: [], ticket: 0 });
  }

  /** Decode and show; return a sentence for what cannot be decoded. */
  async load(lanes) {
    const ticket = ++this.ticket;
    const decoded = await Promise.allSettled(lanes.map(Lanes.#decode));
    if (ticket !== this.ticket) return null; // newer ones came meanwhile
    this.lanes.forEach((lane) => lane.bitmap?.close());
    this.lanes = lanes.map((lane, k) => ({ ...lane, ...decoded[k].value, ...Lanes.#build(lane) }));
    this.column.replaceChildren(...this.lanes.map((lane) => lane.element));
    this.gutter.replaceChildren(...this.lanes.map((lane) => lane.scale));
    const peak = this.lanes.reduce((most, lane) => Math.max(most, lane.peak ?? 0), 1);
    this.gain = Math.min(LOUDEST_GAIN, 127 / peak);
    const broken = lanes.filter((_, k) => decoded[k].status === "rejected");
    return broken.map((lane) => `The browser cannot decode the picture “${lane.name}”.`).join(" ");
  }

  static async #decode(lane) {
    const bytes = toBytes(lane.data);
    if (lane.kind === "picture") {
      return { bitmap: await createImageBitmap(new Blob([bytes], { type: "image/png" })) };
    }
    const pairs = new Int8Array(bytes.slice().buffer);
    return { pairs, peak: pairs.reduce((most, value) => Math.max(most, Math.abs(value)), 0) };
  }

  static #build(lane) {
    const canvas = node("canvas", { class: "pinned", role: "img", "aria-label": lane.name });
    const title = node("div", { class: "title" }, lane.name);
    const unit = node("div", { class: "title" }, lane.top_khz ? "Hz" : "");
    const look = { class: `lane ${lane.kind}` };
    const scale = node("div", look, unit, node("div", { class: "scale" }));
    return { canvas, scale, element: node("div", look, title, canvas) };
  }

  draw(width, [from, to]) {
    for (const lane of this.lanes) {
      const { canvas, pairs, bitmap } = lane;
      const height = canvas.offsetHeight;
      const target = surface(canvas, width, height);
      if (lane.top_khz && lane.height !== height) {
        lane.scale.lastChild.replaceChildren(...frequencyLabels(lane.top_khz, height));
      }
      lane.height = height;
      if (pairs?.length) drawWaveform(target, pairs, from, to, this.gain);
      if (bitmap) drawPicture(target, bitmap, from, to);
    }
  }

  /** Mark the lane of what is heard. */
  mark(name) {
    for (const lane of this.lanes) lane.element.classList.toggle("heard", lane.name === name);
  }
}

/** Rows of thin bars with their label, one row a label. */
function spanRows(spans, duration) {
  const rows = new Map();
  for (const { label, start, end, probability } of spans) {
    const said = `${label} ${Math.round(100 * probability)} %`;
    const spoken = { role: "img", "aria-label": `${said}, ${interval([start, end])}` };
    const bar = node("div", { class: "span", ...spoken });
    bar.style.left = percent(start / duration);
    bar.style.width = percent((end - start) / duration);
    bar.style.opacity = 0.3 + 0.7 * probability;
    if (!rows.has(label)) {
      const name = node("span", { "aria-hidden": "true" }, said);
      const place = node("div", { class: "label" }, name);
      const late = start / duration > 0.7;
      if (late) place.style.right = percent(1 - end / duration);
      else place.style.left = percent(start / duration);
      place.classList.toggle("late", late);
      rows.set(label, node("div", { class: "span-row" }, place));
    }
    rows.get(label).append(bar);
  }
  return [...rows.values()];
}

// ---------------------------------------------------------------- windows

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
class Windows {
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

/** One pointer drags or clicks, two pinch and pan. */
class Gestures {
  constructor(area, axis, windows, onClick) {
    Object.assign(this, { area, axis, windows, onClick, pointers: new Map() });
    area.addEventListener("pointerdown", (event) => this.#down(event));
    area.addEventListener("pointermove", (event) => this.#move(event));
    area.addEventListener("pointerup", (event) => this.#up(event));
    area.addEventListener("pointercancel", (event) => this.#up(event, true));
    area.addEventListener("dblclick", ({ target }) => windows.remove(windows.indexOf(target)));
  }

  #down(event) {
    if (event.button !== 0 || this.axis.duration <= 0) return;
    this.pointers.set(event.pointerId, event.clientX);
    if (this.pointers.size === 2) {
      this.windows.cancel();
      this.pinch = { ...this.#span(), zoom: this.axis.zoom };
      return;
    }
    this.from = event.clientX;
    this.moved = false;
    this.onWindow = this.windows.grab(event.target, this.axis.timeAt(event.clientX));
  }

  #move(event) {
    if (!this.pointers.has(event.pointerId)) return;
    this.pointers.set(event.pointerId, event.clientX);
    if (this.pinch) return this.#zoom();
    if (!this.windows.drag) return;
    if (!this.moved && Math.abs(event.clientX - this.from) < CLICK_PX) return;
    // Not before it moves: a captured pointer would take the double click from the window.
    if (!this.moved) this.area.setPointerCapture(event.pointerId);
    this.moved = true;
    this.#scrollAlong(event.clientX);
    this.windows.pull(this.axis.timeAt(event.clientX));
  }

  #up(event, cancelled = false) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.pinch) {
      if (this.pointers.size === 0) this.pinch = null;
    } else if (cancelled || !this.moved) {
      this.windows.cancel();
      if (!cancelled && !this.onWindow) this.onClick(this.axis.timeAt(event.clientX));
    } else if (this.windows.drag) this.windows.drop();
  }

  #span() {
    const [a, b] = [...this.pointers.values()];
    return { distance: Math.max(Math.abs(a - b), 20), middle: (a + b) / 2 };
  }

  #zoom() {
    if (this.pointers.size < 2) return;
    const { distance, middle } = this.#span();
    this.axis.scroller.scrollLeft -= middle - this.pinch.middle;
    this.pinch.middle = middle;
    this.axis.zoomTo((this.pinch.zoom * distance) / this.pinch.distance, middle);
  }

  #scrollAlong(clientX) {
    const box = this.axis.scroller.getBoundingClientRect();
    this.axis.scroller.scrollLeft += (clientX - clamp(clientX, box.left, box.right)) / 4;
  }
}

// ---------------------------------------------------------------- sound

/** Plays all tracks in step, so that switching is a matter of gains. */
class Player {
  constructor(onStop) {
    this.onStop = onStop;
    Object.assign(this, { buffers: [], track: 0, at: 0, loop: false, run: null, ticket: 0 });
  }

  /** Decode; return a sentence for what cannot be decoded. */
  async load(tracks) {
    const ticket = ++this.ticket;
    const decoded = await Promise.allSettled(tracks.map(Player.#decode));
    if (ticket !== this.ticket) return null;
    this.buffers = decoded.map(({ value }) => value ?? null);
    this.#again();
    const broken = tracks.filter((_, k) => !this.buffers[k]);
    return broken.map(({ name }) => `The browser cannot decode the track “${name}”.`).join(" ");
  }

  static async #decode({ audio }) {
    const bytes = toBytes(audio);
    const rate = new DataView(bytes.buffer, bytes.byteOffset).getUint32(24, true); // of a WAV file
    return new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes.slice().buffer);
  }

  get position() {
    if (!this.run) return this.at;
    const { from, start, end, began } = this.run;
    const time = from + Math.max(0, this.context.currentTime - began);
    return this.loop && time >= end ? start + ((time - end) % (end - start)) : Math.min(time, end);
  }

  /** Play from `from` up to `end`, or, when it loops, between `start` and `end`. */
  play(from, [start, end], home = from) {
    this.#silence();
    const longest = Math.max(0, ...this.buffers.map((buffer) => buffer?.duration ?? 0));
    end = Math.min(end, longest);
    if (from >= end) from = start;
    if (from >= end) return;
    this.context ??= new AudioContext();
    this.context.resume();
    const began = this.context.currentTime + 0.01;
    const span = { from, start, end, began };
    const nodes = this.buffers.map((buffer, k) => buffer && this.#start(buffer, k, span));
    this.run = { ...span, home, nodes };
    nodes.find(Boolean).source.onended = () => this.stop(home);
  }

  #start(buffer, k, { from, start, end, began }) {
    const gain = new GainNode(this.context, { gain: k === this.track ? 1 : 0 });
    const loop = { loop: this.loop, loopStart: start, loopEnd: end };
    const source = new AudioBufferSourceNode(this.context, { buffer, ...loop });
    source.connect(gain).connect(this.context.destination);
    if (this.loop) source.start(began, from);
    else source.start(began, from, end - from);
    return { source, gain };
  }

  #silence() {
    for (const part of this.run?.nodes ?? []) {
      if (!part) continue;
      part.source.onended = null;
      part.source.stop();
      part.gain.disconnect();
    }
    this.run = null;
  }

  stop(at = this.position) {
    this.at = at;
    this.#silence();
    this.onStop();
  }

  /** Start anew where it is, after what is played or how has changed. */
  #again(from = this.position) {
    if (!this.run) return;
    const { start, end, home } = this.run;
    this.at = from;
    this.play(from, [start, end], home);
    if (!this.run) this.onStop();
  }

  seek(time) {
    if (!this.run) this.at = time;
    else if (time < this.run.start || time >= this.run.end) this.play(time, [0, Infinity]);
    else this.#again(time);
  }

  choose(track) {
    this.track = track;
    this.run?.nodes.forEach((part, k) => {
      const now = this.context.currentTime;
      part?.gain.gain.setTargetAtTime(k === track ? 1 : 0, now, 0.005); // in 5 ms: no click
    });
  }

  setLoop(loop) {
    const now = this.position; // before the rule it follows changes
    this.loop = loop;
    this.#again(now);
  }

  close() {
    this.#silence();
    this.context?.close();
  }
}

// ---------------------------------------------------------------- the whole

const ICONS = {
  play: "M7 4v16l13-8z",
  pause: "M6 4h4v16H6zM14 4h4v16h-4z",
  playWindow: "M3 4h2v16H3zM19 4h2v16h-2zM8.5 6.5v11l8-5.5z",
  loop: "M17 2l4 4-4 4V7H7v4H5V5h12zM7 22l-4-4 4-4v3h10v-4h2v6H7z",
  add: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
  remove: "M9 3h6l1 2h4v2H4V5h4zM6 9h12l-1 12H7z",
  out: "M5 11h14v2H5z",
  fit: "M3 5h2v14H3zM19 5h2v14h-2zM6.5 12l4-4v3h3V8l4 4-4 4v-3h-3v3z",
};

const icon = (name) =>
  `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
const button = (action, name, text, help) =>
  `<button type="button" data-do="${action}" title="${help}" aria-label="${text || help}">` +
  `${icon(name)}${text && `<span>${text}</span>`}</button>`;

const TEMPLATE = `
  <div class="bar">
    <div class="group" role="group" aria-label="Play">
      ${button("play", "play", "Play", "Play from the cursor (space)")}
      ${button("playWindow", "playWindow", "Play window", "Play only the selected or first window")}
      ${button("loop", "loop", "Loop", "Repeat what is played")}
    </div>
    <div class="tracks" role="radiogroup" aria-label="What you hear"></div>
    <output class="clock"></output>
    <div class="group end" role="group" aria-label="Windows">
      ${button("add", "add", "Add window", "Add a window at the cursor (enter, on the time axis)")}
      ${button("remove", "remove", "", "Remove the selected window (delete)")}
    </div>
    <div class="group" role="group" aria-label="Zoom">
      ${button("out", "out", "", "Zoom out")}
      ${button("fit", "fit", "", "Show the whole recording")}
      ${button("in", "add", "", "Zoom in")}
    </div>
  </div>
  <p class="error" role="alert" hidden></p>
  <div class="board">
    <div class="gutter" aria-hidden="true">
      <div class="unit">s</div><div class="space"></div><div class="scales"></div>
    </div>
    <div class="scroller">
      <div class="content">
        <div class="axis" role="slider" tabindex="0" aria-label="Cursor" aria-valuemin="0">
          <canvas class="pinned"></canvas>
        </div>
        <div class="area" tabindex="-1">
          <div class="hint"><span>Drag across the picture to mark a stretch of time</span></div>
          <div class="spans"></div>
          <div class="lanes"></div>
          <div class="windows"></div>
        </div>
        <div class="playhead"></div>
      </div>
    </div>
  </div>
  <p class="status" aria-live="polite"></p>`;

let views = 0; // a radio group needs a name of its own

class Stage {
  constructor(model, el) {
    this.model = model;
    // JupyterLab would take the keys that are meant for the stage.
    this.root = node("div", { class: "textsep-stage", "data-lm-suppress-shortcuts": "true" });
    this.root.innerHTML = TEMPLATE;
    el.append(this.root);
    this.group = `textsep-track-${views++}`;
    this.failures = { lanes: "", tracks: "" };
    const find = (selector) => this.root.querySelector(selector);
    this.playhead = find(".playhead");
    this.axisElement = find(".axis");
    this.axis = new Axis(find(".scroller"), find(".content"), () => this.schedule());
    this.lanes = new Lanes(find(".lanes"), find(".scales"));
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
      lanes: () => this.#loadLanes(),
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
    this.#loadLanes();
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
    this.player.at = Math.min(this.player.at, this.axis.duration);
    this.axis.zoomTo(1);
    this.#loadWindows();
    this.#loadSpans();
    this.#showPosition();
  }

  async #loadLanes() {
    this.#fail("lanes", await this.lanes.load(this.model.get("lanes")));
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
    this.lanes.mark(tracks.length > 1 ? tracks[track].name : null);
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
    this.lanes.draw(width, visible.map((time) => time / duration));
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
    const stage = new Stage(model, el);
    return () => stage.dispose();
  },
};
