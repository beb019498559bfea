"""Index a folder and ask it: what sounds like the words, and only from the left.

python examples/search_a_folder.py FOLDER "a dog barking"
"""

from __future__ import annotations

import sys

import open_elsa as elsa


def main(folder: str, question: str) -> None:
    """Print the best files, first from anywhere, then only those that the model hears on the left."""
    index = elsa.Index.build(folder, elsa.load())
    for title, direction in (("anywhere", None), ("on the left", (45.0, 135.0))):
        print(f"{question}, {title}:")
        for hit in index.search(question, k=5, azimuth_deg=direction):
            where = "mono" if hit.azimuth_deg is None else f"azimuth {hit.azimuth_deg:.0f}°"
            print(f"  {hit.score:.2f}  {hit.file}  {hit.start_s:.0f}-{hit.end_s:.0f} s  {where}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
