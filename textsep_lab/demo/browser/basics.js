// Small things that all files share. All times are in seconds.

export const SHORTEST = 0.05; // window
export const STEP = 0.05; // of an arrow key

export const clamp = (x, low, high) => Math.max(low, Math.min(x, high));
export const toMs = (time) => Math.round(time * 1000) / 1000;
export const interval = ([start, end]) => `${start.toFixed(2)} to ${end.toFixed(2)} s`;
export const percent = (share) => `${100 * share}%`;

export function node(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The bytes of a synced value: a DataView in Jupyter. */
export const toBytes = (data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
