// Carries files between the browser and Python, and records the microphone. See file_transfer.py.

import { node } from "./basics.js";

const PIECE = 1 << 20;
let uploads = 0;

/** Sends a file piece by piece; each piece waits for the answer to the last. */
class Upload {
  constructor(model, say) {
    this.model = model;
    this.say = say;
    this.current = null;
    this.onMessage = (content) => {
      if (content.kind === "next" && content.id === this.current?.id) this.step();
    };
    model.on("msg:custom", this.onMessage);
  }

  async start(file) {
    const most = this.model.get("max_bytes");
    if (file.size > most) {
      const [has, limit] = [file.size, most].map((bytes) => Math.round(bytes / 2 ** 20));
      this.fail(`“${file.name}” has ${has} MB; the limit is ${limit} MB: cut it first.`);
      return;
    }
    this.current = { id: `${Date.now()}-${uploads++}`, file, at: 0, sent: false };
    await this.step();
  }

  async step() {
    const { current } = this;
    if (current.sent) {
      this.current = null;
      this.say("");
      return;
    }
    const { id, file, at } = current;
    const end = Math.min(at + PIECE, file.size);
    let piece;
    try {
      piece = await file.slice(at, end).arrayBuffer();
    } catch {
      this.fail(`“${file.name}” cannot be read.`);
      return;
    }
    if (this.current !== current) return; // another file was chosen meanwhile
    Object.assign(current, { at: end, sent: end >= file.size });
    this.say(`Reading ${Math.round((100 * end) / Math.max(1, file.size))} %`);
    const message = { kind: "piece", id, name: file.name, first: at === 0, last: current.sent };
    this.model.send(message, undefined, [piece]);
  }

  fail(said) {
    this.current = null;
    this.say("");
    this.model.send({ kind: "failed", said });
  }

  close() {
    this.model.off("msg:custom", this.onMessage);
  }
}

/** Returns a WAV file of 16 bits. */
function toWav(buffer) {
  const channels = buffer.numberOfChannels;
  const bytes = buffer.length * channels * 2;
  const view = new DataView(new ArrayBuffer(44 + bytes));
  const text = (at, letters) => [...letters].forEach((c, k) => view.setUint8(at + k, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, buffer.sampleRate, true);
  view.setUint32(28, buffer.sampleRate * channels * 2, true);
  view.setUint16(32, channels * 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  for (let c = 0; c < channels; c++) {
    buffer.getChannelData(c).forEach((value, k) => {
      const level = Math.max(-1, Math.min(1, value)) * 32767;
      view.setInt16(44 + 2 * (k * channels + c), Math.round(level), true);
    });
  }
  return view.buffer;
}

/** Records until told to stop, or until the longest recording is reached. */
class Microphone {
  constructor(model, button, upload) {
    this.model = model;
    this.button = button;
    this.upload = upload;
    button.addEventListener("click", () => (this.recorder ? this.recorder.stop() : this.start()));
  }

  async start() {
    this.button.disabled = true;
    try {
      const sound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: sound });
    } catch {
      this.upload.fail("The browser does not allow the microphone: allow it, or open a file.");
      return;
    } finally {
      this.button.disabled = false;
    }
    const parts = [];
    this.recorder = new MediaRecorder(this.stream);
    this.recorder.ondataavailable = ({ data }) => parts.push(data);
    this.recorder.onstop = () => this.finish(parts);
    this.recorder.start();
    this.began = Date.now();
    this.timer = setInterval(() => this.tick(), 200);
    this.tick();
  }

  tick() {
    const seconds = (Date.now() - this.began) / 1000;
    this.button.textContent = `Stop (${seconds.toFixed(0)} s)`;
    this.button.setAttribute("aria-pressed", "true");
    if (seconds >= this.model.get("seconds")) this.recorder.stop();
  }

  async finish(parts) {
    this.close();
    try {
      const packed = await new Blob(parts).arrayBuffer();
      const context = new AudioContext();
      const wav = toWav(await context.decodeAudioData(packed));
      context.close();
      await this.upload.start(new File([wav], "microphone.wav"));
    } catch {
      this.upload.fail("Nothing was recorded: try again, a little longer.");
    }
  }

  close() {
    clearInterval(this.timer);
    this.stream?.getTracks().forEach((track) => track.stop());
    this.recorder = null;
    this.button.textContent = "Record";
    this.button.removeAttribute("aria-pressed");
  }
}

function save(name, type, data) {
  const link = node("a", { href: URL.createObjectURL(new Blob([data], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

export default {
  initialize({ model }) {
    model.on("msg:custom", (content, buffers) => {
      if (content.kind === "save") save(content.name, content.type, buffers[0]);
    });
  },

  render({ model, el }) {
    const input = node("input", { type: "file", accept: model.get("accept"), "aria-label": "Open a file" });
    const status = node("span", { class: "file-transfer-status", role: "status" });
    const open = node("label", { class: "file" }, input, node("span", {}, "Open a file…"));
    const record = node("button", { type: "button" }, "Record");
    const upload = new Upload(model, (said) => (status.textContent = said));
    const microphone = new Microphone(model, record, upload);
    record.hidden = !(navigator.mediaDevices?.getUserMedia && window.MediaRecorder);
    input.addEventListener("change", () => {
      if (input.files.length) upload.start(input.files[0]);
      input.value = "";
    });
    el.classList.add("textsep-file-transfer");
    el.append(open, record, status);
    return () => {
      upload.close();
      microphone.close();
    };
  },
};
