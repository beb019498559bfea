"""Rebuild src/open_elsa/app/web/vendor from the npm package omnitone: the web page's ambisonic renderer.

    python tools/fetch_omnitone.py

One line is changed, and marked in the file: it made a function out of text, which a strict Content-Security-Policy
forbids.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import urllib.request
from pathlib import Path

OUT = Path(__file__).parents[1] / "src" / "open_elsa" / "app" / "web" / "vendor"
URL = "https://registry.npmjs.org/omnitone/-/omnitone-1.3.0.tgz"
SHA512 = "iYmS66kHMw5K3E4cXaiBjjBg3hzinUhD9NrvkGZc33QcYSZVclytcD84Du2aL1Wdp7ulAfxfNMHlC8TXxuhgew=="
OLD = "this._rejectHandler = new Function();"
NEW = "this._rejectHandler = function() {}; // open-elsa: was new Function(), which a strict CSP forbids"


def main() -> None:
    """Fetch, check, change the one line and write omnitone.js with its licence."""
    with urllib.request.urlopen(URL) as answer:
        data = answer.read()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != SHA512:
        raise SystemExit(f"{URL} is not the file that was checked; compare it with the registry before trusting it")
    with tarfile.open(fileobj=io.BytesIO(data)) as package:
        script, licence = (
            package.extractfile(f"package/{name}").read().decode()  # type: ignore[union-attr]
            for name in ("build/omnitone.esm.js", "LICENSE")
        )
    if script.count(OLD) != 1:
        raise SystemExit(f"omnitone.esm.js has {script.count(OLD)} lines {OLD!r}, expected one")
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "omnitone.js").write_text(script.replace(OLD, NEW), encoding="utf-8")
    (OUT / "omnitone.LICENSE.txt").write_text(licence, encoding="utf-8")


if __name__ == "__main__":
    main()
