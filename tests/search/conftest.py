"""The stand-in model and the small recordings of the tests of `using`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "using"))

_SPEC = importlib.util.spec_from_file_location("using_fixtures", Path(__file__).parents[1] / "using" / "conftest.py")
assert _SPEC is not None and _SPEC.loader is not None
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
embedder, folder, sine = _MODULE.embedder, _MODULE.folder, _MODULE.sine
