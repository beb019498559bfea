"""Run examples/tutorial.ipynb and write docs/tour.md from it, with what came out; needs the `dev` extra."""

from __future__ import annotations

import base64
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "tutorial.ipynb"
PAGE = ROOT / "docs" / "tour.md"
PICTURE = PAGE.parent / "img" / "tour.png"

NOTE = """
This page is the notebook `examples/tutorial.ipynb` as it ran, written by `python tools/tour_page.py`. To run it:

```console
$ pip install jupyterlab
$ jupyter lab examples/tutorial.ipynb
```
"""


def read() -> Any:
    """The notebook as it lies in the repository."""
    import nbformat

    return nbformat.read(NOTEBOOK, as_version=4)


def run(notebook: Any, folder: Path) -> Any:
    """Run a notebook inside a folder, by this Python and without the user's settings; it then holds what came out.

    Raises nbclient's CellExecutionError where a cell fails.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    settings = folder / ".ipython"
    settings.mkdir()
    options = ["-f", "{connection_file}", f"--ipython-dir={settings}", "--log-level=ERROR"]

    class ThisPython(AsyncKernelManager):
        """Starts kernels of the Python that runs this, whatever kernels are installed for the user."""

        @property
        def kernel_spec(self) -> Any:
            return KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", *options], language="python")

    told = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_manager_class=ThisPython, timeout=600, resources=told).execute()
    return notebook


def page(notebook: Any) -> str:
    """The notebook as a page; its picture is PICTURE."""
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source.replace("](../docs/", "]("))
        else:
            parts.append(f"```python\n{cell.source}\n```")
            parts.extend(filter(None, (_said(output) for output in cell.outputs)))
        if len(parts) == 1:
            parts.append(NOTE.strip())
    return "\n\n".join(parts) + "\n"


def pictures(notebook: Any) -> list[bytes]:
    """The PNG images that came out."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    found = (output.get("data", {}).get("image/png") for cell in cells for output in cell.outputs)
    return [base64.b64decode(png) for png in found if png]


def without_outputs(text: str) -> str:
    """A page without what came out of its cells."""
    return re.sub(r"```text\n.*?\n```\n\n|!\[[^]]*\]\(img/tour\.png\)\n\n", "", text, flags=re.S)


def _said(output: Any) -> str | None:
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```"
    if "image/png" in output.data:
        return f"![What the cell above draws](img/{PICTURE.name})"
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output.data.get("text/plain", "")).rstrip()  # without a terminal's colours
    return None if plain.startswith("<") else f"```text\n{plain}\n```"  # <…>: a player, which a page cannot hold


def main() -> int:
    """Write the page and its picture."""
    notebook = read()
    with tempfile.TemporaryDirectory() as folder:
        run(notebook, Path(folder))
    PAGE.write_text(page(notebook), encoding="utf-8")
    (drawn,) = pictures(notebook)
    PICTURE.write_bytes(drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
