// What is seen on the axis: waveforms, spectrograms, ticks, and bars for what is detected.

import { clamp, interval, node, percent, toBytes } from "./basics.js";

const LOUDEST_GAIN = 8; // waveforms of quiet recordings are drawn larger, up to so much

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
export function drawTicks(canvas, width, height, [from, to]) {
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
export class Panels {
  constructor(column, gutter) {
    Object.assign(this, { column, gutter, panels: [], ticket: 0 });
  }

  /** Decode and show; return a sentence for what cannot be decoded. */
  async load(panels) {
    const ticket = ++this.ticket;
    const decoded = await Promise.allSettled(panels.map(Panels.#decode));
    if (ticket !== this.ticket) return null; // newer ones came meanwhile
    this.panels.forEach((panel) => panel.bitmap?.close());
    this.panels = panels.map((panel, k) => ({ ...panel, ...decoded[k].value, ...Panels.#build(panel) }));
    this.column.replaceChildren(...this.panels.map((panel) => panel.element));
    this.gutter.replaceChildren(...this.panels.map((panel) => panel.scale));
    const peak = this.panels.reduce((most, panel) => Math.max(most, panel.peak ?? 0), 1);
    this.gain = Math.min(LOUDEST_GAIN, 127 / peak);
    const broken = panels.filter((_, k) => decoded[k].status === "rejected");
    return broken.map((panel) => `The browser cannot decode the picture “${panel.name}”.`).join(" ");
  }

  static async #decode(panel) {
    const bytes = toBytes(panel.data);
    if (panel.kind === "picture") {
      return { bitmap: await createImageBitmap(new Blob([bytes], { type: "image/png" })) };
    }
    const pairs = new Int8Array(bytes.slice().buffer);
    return { pairs, peak: pairs.reduce((most, value) => Math.max(most, Math.abs(value)), 0) };
  }

  static #build(panel) {
    const canvas = node("canvas", { class: "pinned", role: "img", "aria-label": panel.name });
    const title = node("div", { class: "title" }, panel.name);
    const unit = node("div", { class: "title" }, panel.top_khz ? "Hz" : "");
    const look = { class: `timeline-panel ${panel.kind}` };
    const scale = node("div", look, unit, node("div", { class: "scale" }));
    return { canvas, scale, element: node("div", look, title, canvas) };
  }

  draw(width, [from, to]) {
    for (const panel of this.panels) {
      const { canvas, pairs, bitmap } = panel;
      const height = canvas.offsetHeight;
      const target = surface(canvas, width, height);
      if (panel.top_khz && panel.height !== height) {
        panel.scale.lastChild.replaceChildren(...frequencyLabels(panel.top_khz, height));
      }
      panel.height = height;
      if (pairs?.length) drawWaveform(target, pairs, from, to, this.gain);
      if (bitmap) drawPicture(target, bitmap, from, to);
    }
  }

  /** Mark the panel of what is heard. */
  mark(name) {
    for (const panel of this.panels) panel.element.classList.toggle("heard", panel.name === name);
  }
}

/** Rows of thin bars with their label, one row a label. */
export function spanRows(spans, duration) {
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
