// Pixels and heat maps of pairs. They arrive through the signed-in session (server.pixels, server.heat) at full bit
// depth and live in this page's memory alone: no URL, no cache, no browser storage, gone with the page.
const PAIRS = 4, BYTES = 400 * 2 ** 20; // kept decoded at most: the one shown, the next, and two to go back to
const WINDOWS = { auto: [0.01, 0.99], lung: [0.005, 0.62], bone: [0.35, 0.999], mediastinum: [0.5, 0.985], full: null };

// Decodes one image, away from the page's own thread, so that preloading does not halt a hand that pans.
// Rows as differences to the left neighbour (modulo 65536), high bytes before low bytes, deflated: see ui/viewer.py.
// Then halved copies by box averaging, so that a 2,500 px image shown at 400 px does not alias, and the windows.
async function decode({ data: packed64, width: w, height: h }, windows) {
  const text = atob(packed64), packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer()), n = w * h, data = new Uint16Array(n);
  for (let y = 0, i = 0; y < h; y++) for (let x = 0, v = 0; x < w; x++, i++) data[i] = v = (v + ((bytes[i] << 8) | bytes[n + i])) & 0xffff;
  const levels = [{ w, h, data }];
  for (let last = levels[0]; Math.min(last.w, last.h) > 256; last = levels[levels.length - 1]) {
    const lw = last.w >> 1, lh = last.h >> 1, half = new Uint16Array(lw * lh), s = last.data;
    for (let y = 0; y < lh; y++) for (let x = 0; x < lw; x++) {
      const i = 2 * y * last.w + 2 * x;
      half[y * lw + x] = (s[i] + s[i + 1] + s[i + last.w] + s[i + last.w + 1] + 2) >> 2;
    }
    levels.push({ w: lw, h: lh, data: half });
  }
  const bins = new Uint32Array(4096), small = levels[levels.length - 1].data;
  let counted = 0;
  for (const v of small) if (v > 0) { bins[v >> 4]++; counted++; } // exact zero is the letterbox or the collimator
  const quantile = (q) => { let sum = 0; for (let i = 0; i < 4096; i++) if ((sum += bins[i]) >= q * counted) return (i + 0.5) / 4096; return 1; };
  const found = {};
  for (const [name, q] of Object.entries(windows)) {
    const lo = q ? quantile(q[0]) : 0, hi = q ? quantile(q[1]) : 1;
    found[name] = [lo, Math.max(hi, lo + 1 / 512)];
  }
  return { w, h, long: Math.max(w, h), levels, windows: found };
}

const worker = (() => {
  const code = `${decode}; onmessage = ({ data: [id, part, windows] }) => decode(part, windows).then(
    (image) => postMessage([id, image], image.levels.map((l) => l.data.buffer)), (e) => postMessage([id, null, String(e)]));`;
  try {
    const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" })), made = new Worker(address), waiting = new Map();
    made.onmessage = ({ data: [id, image, error] }) => { const [yes, no] = waiting.get(id); waiting.delete(id); image ? yes(image) : no(new Error(error)); };
    let count = 0;
    return (part) => new Promise((yes, no) => { waiting.set(++count, [yes, no]); made.postMessage([count, part, WINDOWS]); });
  } catch { return (part) => decode(part, WINDOWS); } // a browser that bars workers
})();

// --- pairs in memory ------------------------------------------------------------------------------------
const memory = new Map(); // "record/candidate" -> { pair: Promise of { a, b }, bytes, maps: Map }, latest use last
const role = () => window.updp.role?.() ?? "";
const keyOf = (p) => `${p.record}/${p.candidate ?? ""}`;
let heldFor = null; // the role whose pairs these are
const asked = (p) => ({ record: p.record, candidate: p.candidate ?? null, role: role() });

function load(p) {
  if (heldFor !== role()) { forgetAll(); heldFor = role(); } // who may see less finds nothing of who saw more
  const key = keyOf(p);
  let kept = memory.get(key);
  memory.delete(key); // put again below, as the latest used
  if (!kept) {
    kept = { bytes: 0, maps: new Map(), made: [] };
    kept.pair = server.pixels(asked(p)).then(async (r) => {
      if (!r || r.error) throw new Error(r?.error || "The images could not be read.");
      const [a, b] = await Promise.all([r.original, r.synthetic].map((t) => (t ? worker(t) : null)));
      for (const image of [a, b]) for (const level of image?.levels ?? []) kept.bytes += level.data.byteLength;
      return { a, b };
    });
    kept.pair.then(() => { kept.ready = true; trim(); }, () => memory.delete(key));
  }
  memory.set(key, kept);
  trim();
  return kept;
}

function trim() {
  const total = () => [...memory.values()].reduce((sum, kept) => sum + kept.bytes, 0);
  while (memory.size > PAIRS || (memory.size > 2 && total() > BYTES)) forget(memory.keys().next().value);
}
function forget(key) {
  const kept = memory.get(key); memory.delete(key);
  kept.pair.then((q) => renderer.forget([q.a, q.b], kept.made), () => {});
}
const forgetAll = () => { for (const key of [...memory.keys()]) forget(key); };

// Where the classifier looked for one finding: { original, synthetic }, each { probability, side, data } or null.
function mapsOf(p, finding) {
  const kept = load(p);
  if (!kept.maps.has(finding)) {
    const maps = server.heat({ ...asked(p), finding }).then((r) => {
      if (!r || r.error) throw new Error(r?.error || "The heat map could not be made.");
      for (const one of [r.original, r.synthetic]) if (one) { one.data = Uint8Array.from(atob(one.data), (c) => c.charCodeAt(0)); kept.made.push(one); }
      return r;
    });
    maps.catch(() => kept.maps.delete(finding));
    kept.maps.set(finding, maps);
  }
  return kept.maps.get(finding);
}

// Signed out or left: nothing of a patient stays behind, not even in a page that the browser keeps to go back to.
addEventListener("pagehide", () => { forgetAll(); shown = pair = null; });
addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
