"""Take the pictures of docs/page.md: the page on the demo's sounds, heard by the shipped model.

    elsa demo --out elsa-demo && elsa serve elsa-demo/sounds
    python tools/shoot_page.py http://127.0.0.1:8000/

Needs playwright and Chromium (its path in CHROMIUM, or found by name).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

OUT = Path(__file__).parents[1] / "docs" / "img"
QUESTION = "an audience clapping on my right in a large room"
COLOURS = 96


def main(url: str) -> None:
    """Write page.png and page-phone.png."""
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--mute-audio"],
        )
        wide = _asked(browser, url, 1240, 900)
        wide.get_by_role("slider", name="Where you look").press("ArrowRight")
        wide.locator("#look", has_text="you look").wait_for()
        _save(wide, OUT / "page.png")
        phone = _asked(browser, url, 360, 760)
        phone.locator("#results-heading").evaluate("heading => heading.scrollIntoView()")
        _save(phone, OUT / "page-phone.png")
        browser.close()


def _asked(browser: Browser, url: str, width: int, height: int) -> Page:
    """The page after the question, its first result playing."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(url)
    page.get_by_role("searchbox").fill(QUESTION)
    page.get_by_role("searchbox").press("Enter")
    page.locator(".play").first.click()
    page.locator("#player").wait_for()
    page.locator("#results li:nth-child(2) canvas[data-drawn=peaks]").wait_for(state="attached")
    page.wait_for_timeout(1500)  # until the line has moved into the sound
    return page


def _save(page: Page, path: Path) -> None:
    page.screenshot(path=path)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
