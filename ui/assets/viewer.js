// The linked viewer. Body of a gr.HTML's js_on_load: has `element`, `trigger`, `props`, `server`, `watch`.
// Pixels arrive through the signed-in session (server.pixels) at full bit depth and live in this page's
// memory alone: no URL, no cache, no browser storage.
const $ = (q) => element.querySelector(q);
const stage = $(".v-stage"), canvas = $("canvas"), handle = $(".v-handle"), message = $(".v-msg");
const MEMORY = 4; // pairs kept decoded: the one shown, the next, and two to go back to
const WINDOWS = { auto: [0.01, 0.99], lung: [0.005, 0.62], bone: [0.35, 0.999], mediastinum: [0.5, 0.985], full: null };
const view = { mode: "side", preset: "auto", invert: false, x: 0.5, y: 0.5, zoom: 1, level: 0, width: 1, split: 0.5, swap: false };
window.updp = window.updp || {};
let shown = null, pair = null, raf = 0, ticket = 0;

// --- decoding -------------------------------------------------------------------------------------------
// Rows as differences to the left neighbour (modulo 65536), high bytes before low bytes, deflated: see ui/viewer.py.
async function decode(part) {
  const text = atob(part.data), packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer()), { width: w, height: h } = part, n = w * h, data = new Uint16Array(n);
  for (let y = 0, i = 0; y < h; y++) for (let x = 0, v = 0; x < w; x++, i++) data[i] = v = (v + ((bytes[i] << 8) | bytes[n + i])) & 0xffff;
  return { w, h, data };
}

// Halved copies by box averaging, so that a 2,500 px image shown at 400 px does not alias.
function levelsOf(image) {
  const levels = [image];
  for (let last = image; Math.min(last.w, last.h) > 256; last = levels[levels.length - 1]) {
    const w = last.w >> 1, h = last.h >> 1, data = new Uint16Array(w * h), s = last.data;
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
      const i = 2 * y * last.w + 2 * x;
      data[y * w + x] = (s[i] + s[i + 1] + s[i + last.w] + s[i + last.w + 1] + 2) >> 2;
    }
    levels.push({ w, h, data });
  }
  return levels;
}

function prepare(image) {
  const bins = new Uint32Array(4096), small = levelsOf(image), s = small[small.length - 1].data;
  let n = 0;
  for (const v of s) if (v > 0) { bins[v >> 4]++; n++; } // exact zero is the letterbox or the collimator
  const quantile = (q) => { let sum = 0; for (let i = 0; i < 4096; i++) if ((sum += bins[i]) >= q * n) return (i + 0.5) / 4096; return 1; };
  const windows = {};
  for (const [name, q] of Object.entries(WINDOWS)) {
    const lo = q ? quantile(q[0]) : 0, hi = q ? quantile(q[1]) : 1;
    windows[name] = [lo, Math.max(hi, lo + 1 / 512)];
  }
  return { ...image, levels: small, windows, long: Math.max(image.w, image.h) };
}

// The window in use for one image: the preset's, moved and widened by the reader's hand.
function windowOf(image) {
  const [lo, hi] = image.windows[view.preset], c = (lo + hi) / 2 + view.level * (hi - lo), w = (hi - lo) * view.width;
  return [c - w / 2, Math.max(w, 1 / 4096)];
}

// --- pairs in memory ------------------------------------------------------------------------------------
const memory = new Map(); // "record/candidate" -> Promise of { a, b }
const keyOf = (p) => `${p.record}/${p.candidate ?? ""}`;
function load(p) {
  const key = keyOf(p);
  let got = memory.get(key);
  if (got) memory.delete(key); // put again below, as the latest used
  else {
    got = server.pixels({ record: p.record, candidate: p.candidate ?? null, role: window.updp.role?.() ?? "" }).then(async (r) => {
      if (!r || r.error) throw new Error(r?.error || "The images could not be read.");
      const [a, b] = await Promise.all([r.original, r.synthetic].map(async (t) => (t ? prepare(await decode(t)) : null)));
      return { a, b };
    });
    got.catch(() => memory.delete(key));
  }
  memory.set(key, got);
  while (memory.size > MEMORY) { const old = memory.keys().next().value; memory.get(old).then((q) => renderer.forget(q), () => {}); memory.delete(old); }
  return got;
}

async function show(p) {
  const mine = ++ticket;
  window.updp.asked = p?.record || null; window.updp.shown = null; // no verdict until the images are on the screen
  if (!p || !p.record) { shown = pair = null; message.textContent = p?.message || "No pair is open."; message.hidden = false; publish(); return draw(); }
  const waiting = setTimeout(() => { message.textContent = "Loading images…"; message.hidden = false; }, 150);
  try {
    const got = await load(p);
    if (mine !== ticket) return;
    const images = got.a ? got : { a: got.b, b: null, alone: true }; // a role that sees no originals
    if (!shown || shown.record !== p.record) Object.assign(view, { x: 0.5, y: 0.5, zoom: 1, swap: false });
    shown = p; pair = images; message.hidden = true;
  } catch (error) {
    if (mine !== ticket) return;
    shown = pair = null; message.textContent = String(error.message || error); message.hidden = false;
  } finally { clearTimeout(waiting); }
  publish(); draw();
  for (const n of window.updp.neighbours?.(p.record) ?? []) load(n).catch(() => {});
}

// What is on the screen now: every verdict names this pair, not the one that was asked for last.
function publish() {
  window.updp.shown = shown && pair ? { record: shown.record, candidate: shown.candidate ?? null, revision: shown.revision } : null;
  element.dataset.record = window.updp.shown?.record ?? "";
  element.dispatchEvent(new CustomEvent("updp-shown", { bubbles: true }));
}

// --- drawing --------------------------------------------------------------------------------------------
const FRAGMENT = `#version 300 es
precision highp float; precision highp usampler2D;
uniform usampler2D ta, tb; uniform vec4 box; uniform vec2 centre; uniform float scale, split; uniform int what; uniform bool inv;
uniform vec2 wa, wb, sa, sb; out vec4 colour;
float texel(usampler2D t, ivec2 p) { ivec2 s = textureSize(t, 0); return float(texelFetch(t, clamp(p, ivec2(0), s - 1), 0).r) / 65535.0; }
float look(usampler2D t, vec2 u, vec2 size, vec2 win, out bool inside) {
  vec2 q = (u - (1.0 - size) / 2.0) / size; inside = all(greaterThanEqual(q, vec2(0))) && all(lessThanEqual(q, vec2(1)));
  vec2 p = q * vec2(textureSize(t, 0)) - 0.5; ivec2 i = ivec2(floor(p)); vec2 f = p - floor(p);
  float v = mix(mix(texel(t, i), texel(t, i + ivec2(1, 0)), f.x), mix(texel(t, i + ivec2(0, 1)), texel(t, i + ivec2(1, 1)), f.x), f.y);
  return clamp((v - win.x) / win.y, 0.0, 1.0); }
void main() {
  vec2 px = vec2(gl_FragCoord.x - box.x, box.w - (gl_FragCoord.y - box.y)); vec2 u = centre + (px - box.zw / 2.0) / scale; bool ia, ib;
  float a = look(ta, u, sa, wa, ia), b = look(tb, u, sb, wb, ib); if (inv) { a = 1.0 - a; b = 1.0 - b; }
  bool useB = what == 1 || (what == 2 && px.x > split * box.z);
  if (what == 3) { float d = b - a, m = min(1.0, abs(d) * 1.4); vec3 ink = d > 0.0 ? vec3(1.0, 0.62, 0.16) : vec3(0.25, 0.62, 1.0);
    colour = vec4(ia && ib ? mix(vec3(0.35 * a), ink, m * 0.9) : vec3(0.0), 1.0); return; }
  float v = useB ? b : a; if (!(useB ? ib : ia)) v = 0.0; colour = vec4(vec3(v), 1.0); }`;

// Chooses the smallest halved copy that still has a sample for each screen pixel.
const levelFor = (image, scale) => { let k = 0; while (k + 1 < image.levels.length && image.levels[k + 1].w >= (image.w / image.long) * scale) k++; return k; };
const sizeOf = (image) => [image.w / image.long, image.h / image.long];

function glRenderer(gl) {
  const program = gl.createProgram();
  for (const [type, text] of [[gl.VERTEX_SHADER, "#version 300 es\nin vec2 p; void main() { gl_Position = vec4(p, 0, 1); }"], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(type); gl.shaderSource(shader, text); gl.compileShader(shader); gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) || "no shader");
  gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0); gl.bindAttribLocation(program, 0, "p"); gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1); gl.enable(gl.SCISSOR_TEST);
  const at = (name) => gl.getUniformLocation(program, name), limit = gl.getParameter(gl.MAX_TEXTURE_SIZE);
  const texture = (image, k) => {
    while (image.levels[k].w > limit || image.levels[k].h > limit) k++;
    const level = image.levels[k];
    if (!level.texture) {
      level.texture = gl.createTexture(); gl.bindTexture(gl.TEXTURE_2D, level.texture);
      for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16UI, level.w, level.h, 0, gl.RED_INTEGER, gl.UNSIGNED_SHORT, level.data);
    }
    return level.texture;
  };
  return {
    name: "WebGL2",
    forget(q) { for (const image of [q.a, q.b]) for (const level of image?.levels || []) if (level.texture) { gl.deleteTexture(level.texture); level.texture = null; } },
    draw(panels) {
      gl.scissor(0, 0, canvas.width, canvas.height); gl.clearColor(0, 0, 0, 1); gl.clear(gl.COLOR_BUFFER_BIT);
      for (const p of panels) {
        const a = p.a, b = p.b, y = canvas.height - p.y - p.h;
        gl.viewport(p.x, y, p.w, p.h); gl.scissor(p.x, y, p.w, p.h);
        gl.activeTexture(gl.TEXTURE0); gl.bindTexture(gl.TEXTURE_2D, texture(a, levelFor(a, p.scale))); gl.uniform1i(at("ta"), 0);
        gl.activeTexture(gl.TEXTURE1); gl.bindTexture(gl.TEXTURE_2D, texture(b, levelFor(b, p.scale))); gl.uniform1i(at("tb"), 1);
        gl.uniform4f(at("box"), p.x, y, p.w, p.h); gl.uniform2f(at("centre"), view.x, view.y); gl.uniform1f(at("scale"), p.scale);
        gl.uniform1f(at("split"), view.split); gl.uniform1i(at("what"), p.what); gl.uniform1i(at("inv"), view.invert ? 1 : 0);
        gl.uniform2f(at("wa"), ...windowOf(a)); gl.uniform2f(at("wb"), ...windowOf(b)); gl.uniform2f(at("sa"), ...sizeOf(a)); gl.uniform2f(at("sb"), ...sizeOf(b));
        gl.drawArrays(gl.TRIANGLES, 0, 3);
      }
    },
  };
}

// Where WebGL2 is not to be had: the same through a look-up table on a plain canvas.
function plainRenderer() {
  const ctx = canvas.getContext("2d");
  const grey = (image, scale) => {
    const level = image.levels[levelFor(image, scale)], [lo, w] = windowOf(image), sign = `${lo}/${w}/${view.invert}`;
    if (level.sign === sign) return level.canvas;
    const lut = new Uint8ClampedArray(65536), c = level.canvas || (level.canvas = Object.assign(document.createElement("canvas"), { width: level.w, height: level.h }));
    for (let i = 0; i < 65536; i++) { const v = 255 * ((i / 65535 - lo) / w); lut[i] = view.invert ? 255 - v : v; }
    const g = c.getContext("2d"), out = g.createImageData(level.w, level.h), px = new Uint32Array(out.data.buffer), s = level.data;
    for (let i = 0; i < s.length; i++) { const v = lut[s[i]]; px[i] = 0xff000000 | (v << 16) | (v << 8) | v; }
    g.putImageData(out, 0, 0); level.sign = sign; return c;
  };
  const put = (p, image, x0, x1) => {
    const [sw, sh] = sizeOf(image), left = p.x + p.w / 2 + ((1 - sw) / 2 - view.x) * p.scale, top = p.y + p.h / 2 + ((1 - sh) / 2 - view.y) * p.scale;
    ctx.save(); ctx.beginPath(); ctx.rect(p.x + x0 * p.w, p.y, (x1 - x0) * p.w, p.h); ctx.clip();
    ctx.drawImage(grey(image, p.scale), left, top, sw * p.scale, sh * p.scale); ctx.restore();
  };
  return {
    name: "canvas", forget() {},
    draw(panels) {
      ctx.fillStyle = "#000"; ctx.fillRect(0, 0, canvas.width, canvas.height);
      for (const p of panels) {
        if (p.what === 2) { put(p, p.a, 0, view.split); put(p, p.b, view.split, 1); }
        else if (p.what !== 3) put(p, p.what === 1 ? p.b : p.a, 0, 1);
        else {
          put(p, p.b, 0, 1); const b = ctx.getImageData(p.x, p.y, p.w, p.h); ctx.fillRect(p.x, p.y, p.w, p.h); put(p, p.a, 0, 1);
          const a = ctx.getImageData(p.x, p.y, p.w, p.h), d = a.data, e = b.data;
          for (let i = 0; i < d.length; i += 4) {
            const g = 0.35 * d[i], t = (e[i] - d[i]) / 255, m = Math.min(1, Math.abs(t) * 1.4) * 0.9, ink = t > 0 ? [255, 158, 41] : [64, 158, 255];
            for (let k = 0; k < 3; k++) d[i + k] = g * (1 - m) + ink[k] * m;
          }
          ctx.putImageData(a, p.x, p.y);
        }
      }
    },
  };
}

function makeRenderer() {
  if (!/[?&]canvas=1/.test(location.search)) try { const gl = canvas.getContext("webgl2", { alpha: false, antialias: false }); if (gl) return glRenderer(gl); } catch (error) { console.warn("viewer: WebGL2 refused,", error.message); canvas.replaceWith(canvas.cloneNode()); }
  return plainRenderer();
}
const renderer = makeRenderer();

function panels() {
  const W = canvas.width, H = canvas.height, gap = Math.round(2 * devicePixelRatio), half = (W - gap) >> 1;
  const fit = (w) => Math.min(w, H) * view.zoom, { a, b } = pair, other = view.swap ? 1 : 0;
  if (!b) return [{ x: 0, y: 0, w: W, h: H, what: 0, a, b: a, scale: fit(W) }];
  if (view.mode === "side") return [{ x: 0, y: 0, w: half, h: H, what: other, a, b, scale: fit(half) }, { x: half + gap, y: 0, w: W - half - gap, h: H, what: 1 - other, a, b, scale: fit(half) }];
  return [{ x: 0, y: 0, w: W, h: H, what: { slider: 2, flicker: other, diff: 3 }[view.mode], a, b, scale: fit(W) }];
}

function tags(list) {
  const [ta, tb] = [$(".v-tag-a"), $(".v-tag-b")], side = view.mode === "side" && pair?.b;
  const says = (which) => (which && pair?.b) || pair?.alone ? `<b class="syn">Synthetic</b> ${(pair.b ?? pair.a).w} × ${(pair.b ?? pair.a).h}` : pair?.a ? `<b class="orig">Original</b> ${pair.a.w} × ${pair.a.h}, ${shown?.bits || 16} bit` : "";
  ta.hidden = !pair; tb.hidden = !pair?.b || !(side || view.mode === "slider");
  if (!pair) return;
  ta.innerHTML = view.mode === "diff" && pair.b ? "<b>Difference</b> synthetic against original" : says(list[0].what === 1 ? 1 : 0);
  tb.innerHTML = side ? says(list[1].what) : says(1);
  tb.style.left = side ? "calc(50% + 10px)" : ""; tb.style.right = side ? "" : "10px";
  const max = 2 ** (shown?.bits || 16) - 1, [lo, w] = windowOf(pair.a);
  $(".v-read").textContent = `L ${Math.round((lo + w / 2) * max)}  W ${Math.round(w * max)}  ${Math.round((list[0].scale / pair.a.long) * 100)} %`;
}

function draw() {
  if (raf) return;
  raf = requestAnimationFrame(() => {
    raf = 0;
    const rect = stage.getBoundingClientRect(), w = Math.max(1, Math.round(rect.width * devicePixelRatio)), h = Math.max(1, Math.round(rect.height * devicePixelRatio));
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const list = pair ? panels() : [];
    renderer.draw(list); tags(list);
    handle.hidden = !(pair?.b && view.mode === "slider"); handle.style.left = `${view.split * 100}%`; handle.setAttribute("aria-valuenow", Math.round(view.split * 100));
    $(".v-legend").hidden = !(pair?.b && view.mode === "diff");
    element.dataset.mode = view.mode; element.dataset.renderer = renderer.name;
  });
}

// --- hands ----------------------------------------------------------------------------------------------
function check(group, value) { for (const b of element.querySelectorAll(`[data-${group}]`)) b.setAttribute("aria-checked", b.dataset[group] === value); }
const act = {
  mode(m) { view.mode = m; view.swap = false; check("mode", m); },
  preset(p) { view.preset = p; view.level = 0; view.width = 1; check("preset", p); },
  invert() { view.invert = !view.invert; $("[data-act=invert]").setAttribute("aria-pressed", view.invert); },
  fit() { view.x = view.y = 0.5; view.zoom = 1; },
  one() { if (pair) { const p = panels()[0]; view.zoom *= pair.a.long / p.scale; } },
  reset() { this.fit(); this.preset("auto"); if (view.invert) this.invert(); view.split = 0.5; },
  zoom(f, px, py) { // about a point of the stage in CSS pixels, or the middle
    if (!pair) return;
    const p = panels(), d = devicePixelRatio, q = px === undefined ? null : p.find((r) => px * d >= r.x && px * d < r.x + r.w) || p[0];
    const before = p[0].scale, next = Math.min(64, Math.max(0.5, view.zoom * f)), after = (before / view.zoom) * next;
    if (q) { const ox = px * d - q.x - q.w / 2, oy = py * d - q.y - q.h / 2; view.x += ox / before - ox / after; view.y += oy / before - oy / after; }
    view.zoom = next;
  },
  pan(dx, dy) { if (!pair) return; const s = panels()[0].scale / devicePixelRatio; view.x = Math.min(1.2, Math.max(-0.2, view.x - dx / s)); view.y = Math.min(1.2, Math.max(-0.2, view.y - dy / s)); },
  window(dw, dl) { view.width = Math.min(8, Math.max(0.02, view.width * Math.exp(dw))); view.level = Math.min(2, Math.max(-2, view.level + dl)); },
  swap(on) { if (view.swap !== on) view.swap = on; },
};
$(".v-bar").addEventListener("click", (e) => {
  const b = e.target.closest("button"); if (!b) return;
  if (b.dataset.mode) act.mode(b.dataset.mode); else if (b.dataset.preset) act.preset(b.dataset.preset); else if (b.dataset.act !== "hold") act[b.dataset.act]();
  draw();
});
for (const [down, on] of [["pointerdown", true], ["pointerup", false], ["pointerleave", false], ["pointercancel", false]])
  $(".v-hold").addEventListener(down, () => { act.swap(on); draw(); });

const fingers = new Map();
let drag = "";
stage.addEventListener("pointerdown", (e) => {
  fingers.set(e.pointerId, [e.offsetX, e.offsetY]); stage.setPointerCapture(e.pointerId);
  const r = stage.getBoundingClientRect(), near = view.mode === "slider" && Math.abs(e.clientX - r.left - view.split * r.width) < 18;
  drag = near ? "split" : e.pointerType === "touch" || e.shiftKey || e.button > 0 ? "pan" : "window";
});
stage.addEventListener("pointermove", (e) => {
  if (!fingers.has(e.pointerId)) return;
  const r = stage.getBoundingClientRect(), now = [e.clientX - r.left, e.clientY - r.top], dx = e.movementX, dy = e.movementY;
  if (fingers.size === 2) {
    const [one, two] = [...fingers.values()], far = Math.hypot(one[0] - two[0], one[1] - two[1]);
    fingers.set(e.pointerId, now);
    const [p, q] = [...fingers.values()];
    act.zoom(Math.hypot(p[0] - q[0], p[1] - q[1]) / (far || 1), (p[0] + q[0]) / 2, (p[1] + q[1]) / 2); act.pan(dx / 2, dy / 2);
  } else if (drag === "split") view.split = Math.min(1, Math.max(0, now[0] / r.width));
  else if (drag === "pan") act.pan(dx, dy);
  else act.window(dx / 240, -dy / 400);
  fingers.set(e.pointerId, now); draw();
});
for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (e) => { fingers.delete(e.pointerId); drag = ""; });
stage.addEventListener("wheel", (e) => { e.preventDefault(); const r = stage.getBoundingClientRect(); act.zoom(Math.exp(-e.deltaY / 400), e.clientX - r.left, e.clientY - r.top); draw(); }, { passive: false });
stage.addEventListener("contextmenu", (e) => e.preventDefault());
stage.addEventListener("dblclick", () => { act.fit(); draw(); });
handle.addEventListener("keydown", (e) => {
  const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[e.key];
  if (step) { e.preventDefault(); e.stopPropagation(); view.split = Math.min(1, Math.max(0, view.split + step)); draw(); }
});

// Keys come from the page's one shortcut script (keys.js), so that they are quiet in text fields.
const KEYS = {
  b: () => act.mode("side"), s: () => act.mode("slider"), x: () => act.mode("flicker"), d: () => act.mode("diff"),
  1: () => act.preset("auto"), 2: () => act.preset("lung"), 3: () => act.preset("bone"), 4: () => act.preset("mediastinum"), 5: () => act.preset("full"),
  i: () => act.invert(), 0: () => act.fit(), 9: () => act.one(), z: () => act.reset(), "+": () => act.zoom(1.2), "=": () => act.zoom(1.2), "-": () => act.zoom(1 / 1.2),
  "[": () => act.window(-0.05, 0), "]": () => act.window(0.05, 0), ",": () => act.window(0, -0.02), ".": () => act.window(0, 0.02),
  "shift+arrowleft": () => act.pan(30, 0), "shift+arrowright": () => act.pan(-30, 0), "shift+arrowup": () => act.pan(0, 30), "shift+arrowdown": () => act.pan(0, -30),
};
window.updp.viewer = {
  key(name, down = true) {
    if (name === " ") { act.swap(down); draw(); return true; }
    if (!down || !KEYS[name]) return false;
    KEYS[name](); draw(); return true;
  },
  view, // read by the browser tests
};
new ResizeObserver(draw).observe(stage);
watch("value", () => show(props.value));
show(props.value);
