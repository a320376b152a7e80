"""The reading room: Gradio pages over the Workbench."""

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
"""Styles, scripts and HTML that the browser gets as they are."""
