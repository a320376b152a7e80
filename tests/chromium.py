"""Debian's Chromium, which drives the browser tests."""

from __future__ import annotations

import shutil

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
BRINGS_IT = "apt-get install chromium"
