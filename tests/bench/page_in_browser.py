"""How large report.html gets, how long it takes to write, and how soon a browser shows it and scrolls it.

    python tests/bench/page_in_browser.py [QUESTIONS [CHARACTERS]]

makes up a run of so many questions (15,000) with answers of about so many characters (200). Needs what
tests/test_html_browser.py needs.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from pytest_llmeval.report.html import write_html
from tests.support import pages as pages

PAINT = "return performance.getEntriesByType('paint').at(-1).startTime"
SCROLL = """
const done = arguments[0], list = document.getElementById('list'), times = [];
let last = performance.now();
document.getElementById('questions').scrollIntoView();
requestAnimationFrame(function frame() {
  const now = performance.now();
  times.push(now - last);
  last = now;
  list.scrollTop += times.length < 120 ? 300 : 6000;
  if (times.length < 240) requestAnimationFrame(frame);
  else { times.sort((a, b) => a - b); done([times[120], times[228], times[239]]); }
});
"""
SEARCH = """
const done = arguments[0], start = performance.now(), field = document.getElementById('f-text');
field.value = 'no such words';
field.dispatchEvent(new Event('input'));
const timer = setInterval(() => {
  if (!document.getElementById('shown').textContent.includes(' of ')) return;
  clearInterval(timer);
  done(performance.now() - start);
}, 10);
"""


def browser(profile: str) -> Any:
    """Chromium without a window."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("--headless=new", "--no-sandbox", "--disable-background-networking", "--disable-sync"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def main() -> None:
    """Print the figures."""
    given = [int(one) for one in sys.argv[1:]]
    number, characters = given + [15_000, 200][len(given) :]
    with tempfile.TemporaryDirectory() as folder:
        found = pages.records(number, ("model",), list(pages.SUBJECTS), words=characters)
        made = pages.made_up(Path(folder) / "run", found)
        start = time.perf_counter()
        paths = write_html(made.folder, made.run, made.results, (), made.errors)
        took = time.perf_counter() - start
        sizes = ", ".join(f"{path.stat().st_size / 1e6:.1f} MB" for path in paths)
        log = (made.folder / "questions.jsonl").stat().st_size / 1e6
        print(f"{number} questions, questions.jsonl {log:.1f} MB: {sizes}, written in {took:.1f} s")
        for attempt in range(3):
            driver = browser(f"{folder}/{attempt}")
            try:
                driver.get(paths[0].as_uri())
                time.sleep(0.5)
                paint = driver.execute_script(PAINT)
                middle, most, worst = driver.execute_async_script(SCROLL)
                search = driver.execute_async_script(SEARCH)
            finally:
                driver.quit()
            print(
                f"first contentful paint {paint:.0f} ms; a frame while scrolling: median {middle:.0f} ms, "
                f"95% below {most:.0f} ms, longest {worst:.0f} ms; first search of all texts {search:.0f} ms"
            )


if __name__ == "__main__":
    main()
