// In a certificate: copy the root digest; print it alone, on a sheet of paper.
const style = `body { font: 15px/1.6 system-ui, sans-serif; margin: 24mm; color: #000 }
dl { display: grid; grid-template-columns: auto 1fr; gap: 6px 18px } dd { margin: 0; overflow-wrap: anywhere }
.acts { display: none } .by-hand { margin-top: 28mm }`;
element.addEventListener("click", (e) => {
  const copy = e.target.closest("[data-copy]"), print = e.target.closest("[data-print]");
  if (copy) {
    const said = () => { copy.textContent = "Copied"; };
    const byHand = () => { // without https a browser has no clipboard for scripts
      const held = document.createElement("textarea");
      held.value = copy.dataset.copy; document.body.append(held); held.select();
      if (document.execCommand("copy")) said();
      held.remove(); copy.focus();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(copy.dataset.copy).then(said, byHand); else byHand();
  }
  if (print) {
    const frame = document.createElement("iframe");
    frame.style.cssText = "position: fixed; width: 0; height: 0; border: 0";
    const paper = print.closest("section").outerHTML;
    frame.srcdoc = `<!DOCTYPE html><title>Certificate of release</title><style>${style}</style>${paper}`;
    frame.onload = () => { frame.contentWindow.onafterprint = () => frame.remove(); frame.contentWindow.print(); };
    document.body.append(frame);
  }
});
