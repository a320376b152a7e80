// The tour of the review page: four steps in a strip that has its own place, so that it covers nothing and every key
// goes on working. It comes until it is dismissed once in this browser; the sheet of keys brings it back.
(() => {
  const updp = (window.updp = window.updp || {}), root = document.documentElement, SEEN = "updp-tour";
  const targets = { original: ".v-stage", synthetic: ".v-stage", words: "#prompt", verdict: "#verdict" };
  let step = -1;
  const seen = () => { try { return localStorage.getItem(SEEN) === "seen"; } catch { return true; } };
  const strip = () => document.querySelector("#tour .tour");
  const paint = () => {
    const list = strip(); if (!list) return;
    const steps = [...list.querySelectorAll("[data-step]")];
    const here = step >= 0 && !!document.getElementById("desk")?.offsetParent;
    root.classList.toggle("with-tour", here);
    document.querySelectorAll(".toured").forEach((e) => e.classList.remove("toured"));
    list.hidden = !here; if (!here) return;
    steps.forEach((s, n) => { s.hidden = n !== step; });
    list.querySelector("[data-tour=back]").disabled = step === 0;
    list.querySelector("[data-tour=next]").textContent = step === steps.length - 1 ? "Done" : "Next";
    document.querySelector(targets[steps[step].dataset.step])?.classList.add("toured");
  };
  updp.tour = (to = 0) => { step = to; paint(); };
  const end = () => { try { localStorage.setItem(SEEN, "seen"); } catch { /* storage is barred: it comes again */ } updp.tour(-1); };
  addEventListener("click", (e) => {
    const what = e.target.closest?.("[data-tour]")?.dataset.tour; if (!what) return;
    const last = strip()?.querySelectorAll("[data-step]").length - 1;
    if (what === "start") { updp.close?.(); updp.page?.("Review"); updp.tour(0); }
    else if (what === "close" || (what === "next" && step === last)) end();
    else updp.tour(step + (what === "next" ? 1 : -1));
  });
  addEventListener("click", (e) => { if (step >= 0 && e.target.closest?.("#pages > .tab-wrapper")) setTimeout(paint, 60); });
  addEventListener("updp-shown", () => { if (step < 0 && !seen()) updp.tour(0); });
})();
