"""The linked viewer: a gr.HTML of our own (assets/viewer.*), fed with pixels through the signed-in session."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Mapping
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ui import ASSETS
from ui.door.session import Session
from updp_core.errors import UpdpError
from updp_core.workbench import sees_phi

SCRIPTS = ("viewer-pixels.js", "viewer-draw.js", "viewer.js")
SIDE = 64
SCALE = 2.0
"""Logits. Of findings that are absent, 95 of 100 maps of the starter judges stay below; of those seen, 5 do."""


def pack(image: NDArray[Any]) -> dict[str, Any]:
    """An image (H, W) of uint8 or uint16 for the browser, losslessly at 16 bit.

    Each row as differences to the left neighbour modulo 65536; all high bytes, then all low bytes; deflate; base64.
    uint8 is widened by 257, so that 255 becomes 65535.
    """
    wide = image.astype(np.uint16) * np.uint16(257) if image.dtype == np.uint8 else image.astype(np.uint16)
    step = wide.copy()
    step[:, 1:] -= wide[:, :-1]
    planes = np.stack([step >> 8, step & 0xFF]).astype(np.uint8)
    data = base64.b64encode(zlib.compress(planes.tobytes(), 1)).decode()
    return {"width": image.shape[1], "height": image.shape[0], "data": data}


def thumbnail(image: NDArray[Any], size: int = 320) -> str:
    """A small picture inside the page itself (a data: address), for the contact sheet."""
    small = Image.fromarray(image).resize(
        (size, round(size * image.shape[0] / image.shape[1])), Image.Resampling.LANCZOS
    )
    out = io.BytesIO()
    small.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def pack_heat(maps: Mapping[str, Any]) -> dict[str, Any]:
    """Heat maps for the browser: of each image its positive part, smoothed to SIDE x SIDE, one byte a sample, base64.

    Both images of the pair share one scale, whose top is the larger peak, and at least SCALE: a finding that the
    classifier sees in neither image stays dark instead of being blown up.
    """
    shown = {kind: maps[kind] for kind in ("original", "synthetic") if maps[kind]}
    peak = max((float(one["fields"].max()) for one in shown.values()), default=0.0)
    answer: dict[str, Any] = {"original": None, "synthetic": None, "faint": peak < SCALE / 2}
    for kind, one in shown.items():
        smooth = Image.fromarray(one["fields"]).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        level = np.clip(np.asarray(smooth) / max(peak, SCALE), 0, 1)
        data = base64.b64encode(np.round(level * 255).astype(np.uint8).tobytes()).decode()
        answer[kind] = {"probability": one["probability"], "side": SIDE, "data": data}
    return answer


def build(session: Session) -> gr.HTML:
    """The viewer. Its value names what to show: {"message"}, or {"record", "candidate", "revision", "bits", "findings":
    [{"name", "text"}] to map, "next": [{"record", "candidate"}] to load ahead}."""
    workbench = session.workbench

    def pixels(asked: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        """Both images of a pair, for the signed-in person only; an error comes back as text to show."""
        try:
            actor = session.actor(request, asked.get("role", ""))
            record, candidate = str(asked["record"]), asked.get("candidate")
            answer: dict[str, Any] = {"original": None, "synthetic": None}
            if sees_phi(actor):
                answer["original"] = pack(workbench.image(record, "original", actor=actor))
            if candidate:
                answer["synthetic"] = pack(workbench.image(record, "synthetic", actor=actor, candidate=int(candidate)))
            return answer
        except UpdpError as error:
            return {"error": str(error)}
        except (KeyError, TypeError, ValueError):
            return {"error": "The request for images was not understood. Reload the page."}

    def heat(asked: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        """Where the finding classifier looked in the images that this person may see; an error comes back as text."""
        try:
            actor, candidate = session.actor(request, asked.get("role", "")), asked.get("candidate")
            record, finding = str(asked["record"]), str(asked["finding"])
            number = int(candidate) if candidate else None
            return pack_heat(workbench.heat_map(record, finding, actor=actor, candidate=number))
        except UpdpError as error:
            return {"error": str(error)}
        except (KeyError, TypeError, ValueError):
            return {"error": "The request for a heat map was not understood. Reload the page."}

    return gr.HTML(
        value={"message": "No pair is open."},
        html_template=(ASSETS / "viewer.html").read_text(encoding="utf-8"),
        js_on_load="".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS),
        server_functions=[pixels, heat],
        apply_default_css=False,
        elem_id="viewer",
    )
