// Sound: all tracks in step.

import { toBytes } from "./basics.js";

/** Plays all tracks in step, so that switching is a matter of gains. */
export class Player {
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
