// Two ways to draw the same: a shader where there is a graphics card, else a loop over the pixels of the screen, which
// on a processor is several times faster than a shader that the processor imitates.

// Heat: violet to pale yellow, steps of equal size in CIELAB and rising in lightness throughout, so that its order
// survives every kind of colour blindness and grey paper (held by tests/ui/test_heat.py).
const STOPS = ["#3f1372", "#672a73", "#8c3e71", "#ad546e", "#c96d69", "#e08a65", "#f1aa63", "#fccc68", "#feef75"];
const INK = STOPS.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));

// The window in use for one image: the preset's, moved and widened by the reader's hand. [low, width] in 0..1
function windowOf(image) {
  const [lo, hi] = image.windows[view.preset], c = (lo + hi) / 2 + view.level * (hi - lo), w = (hi - lo) * view.width;
  return [c - w / 2, Math.max(w, 1 / 4096)];
}
// The smallest halved copy that still has a sample for each screen pixel.
const levelFor = (image, scale) => { let k = 0; while (k + 1 < image.levels.length && image.levels[k + 1].w >= (image.w / image.long) * scale) k++; return k; };
const sizeOf = (image) => [image.w / image.long, image.h / image.long];

const FRAGMENT = `#version 300 es
precision highp float; precision highp usampler2D;
uniform usampler2D ta, tb; uniform sampler2D ha, hb; uniform vec4 box; uniform vec2 centre, wa, wb, sa, sb; uniform float scale, split, heat;
uniform int what; uniform bool inv; uniform vec3 stops[9]; out vec4 colour;
float texel(usampler2D t, ivec2 p) { ivec2 s = textureSize(t, 0); return float(texelFetch(t, clamp(p, ivec2(0), s - 1), 0).r) / 65535.0; }
float look(usampler2D t, vec2 u, vec2 size, vec2 win, out bool inside) {
  vec2 q = (u - (1.0 - size) / 2.0) / size; inside = all(greaterThanEqual(q, vec2(0))) && all(lessThan(q, vec2(1)));
  vec2 p = q * vec2(textureSize(t, 0)) - 0.5; ivec2 i = ivec2(floor(p)); vec2 f = p - floor(p);
  float v = mix(mix(texel(t, i), texel(t, i + ivec2(1, 0)), f.x), mix(texel(t, i + ivec2(0, 1)), texel(t, i + ivec2(1, 1)), f.x), f.y);
  v = clamp((v - win.x) / win.y, 0.0, 1.0); return inv ? 1.0 - v : v; }
void main() {
  vec2 px = vec2(gl_FragCoord.x - box.x, box.w - (gl_FragCoord.y - box.y)); vec2 u = centre + (px - box.zw / 2.0) / scale; bool in1, in2;
  if (what == 3) {
    float a = look(ta, u, sa, wa, in1), b = look(tb, u, sb, wb, in2), d = b - a, m = min(1.0, abs(d) * 1.4);
    vec3 ink = d > 0.0 ? vec3(1.0, 0.62, 0.16) : vec3(0.25, 0.62, 1.0);
    colour = vec4(in1 && in2 ? mix(vec3(0.35 * a), ink, m * 0.9) : vec3(0.0), 1.0); return; }
  bool useB = what == 1 || (what == 2 && px.x > split * box.z); float v;
  if (useB) v = look(tb, u, sb, wb, in1); else v = look(ta, u, sa, wa, in1);
  vec3 c = vec3(in1 ? v : 0.0);
  if (heat > 0.0) {
    float t = useB ? texture(hb, u).r : texture(ha, u).r, far = abs(t - 0.5) / max(fwidth(t), 1e-5), at = t * 8.0; int i = min(int(at), 7);
    if (in1) { c = mix(c, mix(stops[i], stops[i + 1], at - float(i)), heat * min(1.0, 2.0 * t)); c = far < 0.8 ? vec3(1.0) : far < 1.8 ? vec3(0.0) : c; } }
  colour = vec4(c, 1.0); }`;

function glRenderer(gl) {
  const program = gl.createProgram();
  for (const [type, text] of [[gl.VERTEX_SHADER, "#version 300 es\nin vec2 p; void main() { gl_Position = vec4(p, 0, 1); }"], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(type); gl.shaderSource(shader, text); gl.compileShader(shader); gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "p"); gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) || "no shader");
  gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1); gl.enable(gl.SCISSOR_TEST);
  const places = new Map(), at = (name) => { if (!places.has(name)) places.set(name, gl.getUniformLocation(program, name)); return places.get(name); };
  const limit = gl.getParameter(gl.MAX_TEXTURE_SIZE);
  gl.uniform3fv(at("stops"), INK.flat().map((v) => v / 255));
  for (const [name, unit] of [["ta", 0], ["tb", 1], ["ha", 2], ["hb", 3]]) gl.uniform1i(at(name), unit);
  const upload = (filter, ...image) => {
    const texture = gl.createTexture(); gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, filter);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    gl.texImage2D(gl.TEXTURE_2D, 0, ...image); return texture;
  };
  const pixels = (image, k) => {
    while (image.levels[k].w > limit || image.levels[k].h > limit) k++;
    const l = image.levels[k];
    return (l.texture ??= upload(gl.NEAREST, gl.R16UI, l.w, l.h, 0, gl.RED_INTEGER, gl.UNSIGNED_SHORT, l.data));
  };
  const none = upload(gl.LINEAR, gl.R8, 1, 1, 0, gl.RED, gl.UNSIGNED_BYTE, new Uint8Array(1));
  const warm = (map) => (map ? (map.texture ??= upload(gl.LINEAR, gl.R8, map.side, map.side, 0, gl.RED, gl.UNSIGNED_BYTE, map.data)) : none);
  const bind = (unit, texture) => { gl.activeTexture(gl.TEXTURE0 + unit); gl.bindTexture(gl.TEXTURE_2D, texture); };
  return {
    name: "WebGL2",
    forget(images, maps) { for (const it of [...images.flatMap((i) => i?.levels ?? []), ...maps]) if (it.texture) { gl.deleteTexture(it.texture); it.texture = null; } },
    draw(panels) {
      gl.scissor(0, 0, canvas.width, canvas.height); gl.clearColor(0, 0, 0, 1); gl.clear(gl.COLOR_BUFFER_BIT);
      for (const p of panels) {
        const { a, b } = p, y = canvas.height - p.y - p.h;
        gl.viewport(p.x, y, p.w, p.h); gl.scissor(p.x, y, p.w, p.h);
        gl.activeTexture(gl.TEXTURE4); // where uploads bind, so that they unbind nothing
        const four = [pixels(a, levelFor(a, p.scale)), pixels(b, levelFor(b, p.scale)), warm(p.heatA), warm(p.heatB)];
        four.forEach((texture, unit) => bind(unit, texture));
        gl.uniform4f(at("box"), p.x, y, p.w, p.h); gl.uniform2f(at("centre"), view.x, view.y); gl.uniform1f(at("scale"), p.scale);
        gl.uniform1f(at("split"), view.split); gl.uniform1i(at("what"), p.what); gl.uniform1i(at("inv"), view.invert ? 1 : 0); gl.uniform1f(at("heat"), p.heat);
        gl.uniform2f(at("wa"), ...windowOf(a)); gl.uniform2f(at("wb"), ...windowOf(b)); gl.uniform2f(at("sa"), ...sizeOf(a)); gl.uniform2f(at("sb"), ...sizeOf(b));
        gl.drawArrays(gl.TRIANGLES, 0, 3);
      }
    },
  };
}

function plainRenderer() {
  const ctx = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  let whole = null, out = null;
  const tables = new Map(); // window -> grey of each of 65536 values
  const tableFor = (image) => {
    const [lo, w] = windowOf(image), sign = `${lo}/${w}/${view.invert}`;
    let table = tables.get(sign);
    if (!table) {
      table = new Uint8ClampedArray(65536);
      for (let i = 0, v = (-lo / w) * 255, step = 255 / 65535 / w; i < 65536; i++, v += step) table[i] = view.invert ? 255 - v : v;
      if (tables.size > 3) tables.delete(tables.keys().next().value);
      tables.set(sign, table);
    }
    return table;
  };
  // Where the screen's pixels fall in a grid of n samples over [from, to) of the unit square: sample and 7-bit weight.
  const along = (n, count, centre, scale, from, to) => {
    const index = new Int32Array(count), next = new Int32Array(count), weight = new Int32Array(count);
    let first = count, end = 0;
    for (let i = 0; i < count; i++) {
      const q = (centre + (i + 0.5 - count / 2) / scale - from) / (to - from);
      if (q < 0 || q >= 1) continue;
      const s = q * n - 0.5, k = Math.floor(s);
      index[i] = Math.max(0, k); next[i] = Math.min(n - 1, k + 1); weight[i] = Math.floor((s - k) * 128);
      if (i < first) first = i; end = i + 1;
    }
    return { index, next, weight, first: Math.min(first, end), end };
  };
  const grid = (p, image) => {
    const level = image.levels[levelFor(image, p.scale)], [sw, sh] = sizeOf(image);
    return { data: level.data, w: level.w, table: tableFor(image), x: along(level.w, p.w, view.x, p.scale, (1 - sw) / 2, (1 + sw) / 2), y: along(level.h, p.h, view.y, p.scale, (1 - sh) / 2, (1 + sh) / 2) };
  };
  // Samples of one row of the panel between columns from and to, through the window, into `line`.
  const row = (g, j, from, to, line) => {
    const { data, table } = g, { index, next, weight } = g.x, top = g.y.index[j] * g.w, low = g.y.next[j] * g.w, fy = g.y.weight[j], gy = 128 - fy;
    for (let i = from; i < to; i++) {
      const l = index[i], r = next[i], fx = weight[i], gx = 128 - fx;
      line[i] = table[((data[top + l] * gx + data[top + r] * fx) * gy + (data[low + l] * gx + data[low + r] * fx) * fy) >> 14];
    }
  };
  const between = (g, x0, x1) => [Math.max(g.x.first, x0), Math.min(g.x.end, x1)];
  const one = (p, image, map, x0, x1) => {
    const g = grid(p, image), [from, to] = between(g, x0, x1), line = new Uint8Array(p.w), W = canvas.width;
    const hot = map && p.heat ? { data: map.data, w: map.side, table: null, x: along(map.side, p.w, view.x, p.scale, 0, 1), y: along(map.side, p.h, view.y, p.scale, 0, 1) } : null;
    let above = new Uint8Array(p.w), here = new Uint8Array(p.w);
    if (hot) hot.table = SAME;
    for (let j = g.y.first; j < g.y.end; j++) {
      row(g, j, from, to, line);
      const at = (p.y + j) * W + p.x;
      if (!hot) { for (let i = from; i < to; i++) { const v = line[i]; out[at + i] = 0xff000000 | (v << 16) | (v << 8) | v; } continue; }
      row(hot, j, from, to, here);
      for (let i = from; i < to; i++) {
        const t = here[i], v = line[i], cut = t > 127;
        if (i > from && j > g.y.first && (cut !== here[i - 1] > 127 || cut !== above[i] > 127)) { out[at + i] = 0xffffffff; out[at + i - 1 - W] = 0xff000000; continue; }
        const m = p.heat * Math.min(1, t / 127.5), k = 1 - m, c = WARM[t];
        out[at + i] = 0xff000000 | ((v * k + c[2] * m) << 16) | ((v * k + c[1] * m) << 8) | (v * k + c[0] * m);
      }
      [above, here] = [here, above];
    }
  };
  const difference = (p) => {
    const ga = grid(p, p.a), gb = grid(p, p.b), [from, to] = between(gb, ...between(ga, 0, p.w)), la = new Uint8Array(p.w), lb = new Uint8Array(p.w);
    for (let j = Math.max(ga.y.first, gb.y.first); j < Math.min(ga.y.end, gb.y.end); j++) {
      row(ga, j, from, to, la); row(gb, j, from, to, lb);
      for (let i = from, at = (p.y + j) * canvas.width + p.x; i < to; i++) {
        const d = lb[i] - la[i], m = Math.min(1, (Math.abs(d) / 255) * 1.4) * 0.9, v = 0.35 * la[i] * (1 - m);
        out[at + i] = d > 0 ? 0xff000000 | ((v + 41 * m) << 16) | ((v + 158 * m) << 8) | (v + 255 * m) : 0xff000000 | ((v + 255 * m) << 16) | ((v + 158 * m) << 8) | (v + 64 * m);
      }
    }
  };
  const SAME = Uint8Array.from({ length: 256 }, (_, i) => i);
  const WARM = Array.from({ length: 256 }, (_, t) => { const at = (t / 255) * 8, i = Math.min(7, Math.floor(at)), f = at - i; return INK[i].map((v, c) => v * (1 - f) + INK[i + 1][c] * f); });
  return {
    name: "canvas", forget() {},
    draw(panels) {
      if (!whole || whole.width !== canvas.width || whole.height !== canvas.height) { whole = ctx.createImageData(canvas.width, canvas.height); out = new Uint32Array(whole.data.buffer); }
      out.fill(0xff000000);
      for (const p of panels) {
        const cut = Math.round(view.split * p.w);
        if (p.what === 2) { one(p, p.a, p.heatA, 0, cut); one(p, p.b, p.heatB, cut, p.w); }
        else if (p.what === 3) difference(p);
        else if (p.what === 1) one(p, p.b, p.heatB, 0, p.w);
        else one(p, p.a, p.heatA, 0, p.w);
      }
      ctx.putImageData(whole, 0, 0);
    },
  };
}

// ?renderer=webgl or ?renderer=canvas forces one, for tests.
function makeRenderer() {
  const wish = /[?&]renderer=(\w+)/.exec(location.search)?.[1];
  if (wish !== "canvas") try {
    const probe = document.createElement("canvas").getContext("webgl2"), info = probe?.getExtension("WEBGL_debug_renderer_info");
    const card = String((info && probe.getParameter(info.UNMASKED_RENDERER_WEBGL)) || probe?.getParameter(probe.RENDERER) || "");
    probe?.getExtension("WEBGL_lose_context")?.loseContext();
    if (probe && (wish === "webgl" || !/swiftshader|llvmpipe|software|basic render/i.test(card))) {
      canvas.addEventListener("webglcontextlost", () => { canvas = replaced(); renderer = plainRenderer(); draw(); }); // asleep, or a driver that crashed
      const gl = canvas.getContext("webgl2", { alpha: false, antialias: false });
      if (gl) return glRenderer(gl);
    }
  } catch (error) { console.warn("viewer: WebGL2 refused,", error.message); canvas = replaced(); }
  return plainRenderer();
}
// A canvas keeps the kind of its first context for ever.
function replaced() { const fresh = document.createElement("canvas"); canvas.replaceWith(fresh); return fresh; }
