"""Real radiographs, reports and DICOM files for the tests that need some: a folder of the developer's own.

`UPDP_TEST_DATA` names it; nothing of it belongs into this repository. Without it these tests are left out. It holds
`images/` and `images_nih/` with their manifests, `dicom/`, `reports_iu/`, `text_phi/`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("UPDP_TEST_DATA") or "no-test-data").resolve()
needs_real_data = pytest.mark.skipif(not FOLDER.is_dir(), reason="UPDP_TEST_DATA names no folder of real studies")
