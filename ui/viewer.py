"""The linked viewer: a gr.HTML of our own (assets/viewer.*), fed with pixels through the signed-in session."""

from __future__ import annotations

import base64
import io
import zlib
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ui.session import Session
from updp_core.errors import UpdpError

ASSETS = Path(__file__).parent / "assets"


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


def thumbnail(image: NDArray[Any], size: int = 220) -> str:
    """A small picture inside the page itself (a data: address), for the contact sheet."""
    small = Image.fromarray(image).resize(
        (size, round(size * image.shape[0] / image.shape[1])), Image.Resampling.LANCZOS
    )
    out = io.BytesIO()
    small.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def build(session: Session) -> gr.HTML:
    """The viewer. Its value names what to show: {"record", "candidate", "revision", "bits"} or {"message"}."""
    workbench = session.workbench

    def pixels(asked: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        """Both images of a pair, for the signed-in person only; an error comes back as text to show."""
        try:
            actor = session.actor(request, asked.get("role", ""))
            record, candidate = str(asked["record"]), asked.get("candidate")
            answer: dict[str, Any] = {"original": None, "synthetic": None}
            if actor.role in ("radiologist", "privacy-officer"):
                answer["original"] = pack(workbench.image(record, "original", actor=actor))
            if candidate:
                answer["synthetic"] = pack(workbench.image(record, "synthetic", actor=actor, candidate=int(candidate)))
            return answer
        except UpdpError as error:
            return {"error": str(error)}
        except (KeyError, TypeError, ValueError):
            return {"error": "The request for images was not understood. Reload the page."}

    return gr.HTML(
        value={"message": "No pair is open."},
        html_template=(ASSETS / "viewer.html").read_text(encoding="utf-8"),
        js_on_load=(ASSETS / "viewer.js").read_text(encoding="utf-8"),
        server_functions=[pixels],
        apply_default_css=False,
        elem_id="viewer",
    )
