"""report.html in a real browser: hostile content does not run, and every control works.

Needs selenium, Chromium and its driver (Debian: ``apt-get install chromium chromium-driver``). Without
them these tests are skipped, but not in CI, where they fail. ``LLMEVAL_SCREENSHOTS`` names a folder for
pictures to look at.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.analysis.majority import majority_index
from pytest_llmeval.core.types import Completion, Outcome
from pytest_llmeval.report.html import write_html
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.rerun import Rerun
from tests.support import pages as pages

pytestmark = pytest.mark.slow  # a real browser

TWO = ("internlm2_5-1_8b-chat", "puyu")
_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --hide-scrollbars"
)


def missing(what: str) -> Any:
    """Skip without a browser; in CI, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and CI must have it: see .ci/run", pytrace=False)
    pytest.skip(what)


class Page:
    """The browser as the tests use it."""

    def __init__(self, driver: Any, pictures: Path) -> None:
        self.driver = driver
        self._pictures = pictures

    def open(self, path: Path, width: int = 1280, fragment: str = "", dark: bool = False) -> None:
        """Load a page from disk, in a window of this width."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.size(width)
        self.driver.get("about:blank")
        self.driver.get(path.resolve().as_uri() + fragment)
        self.js("localStorage.removeItem('llmeval-theme')")

    def size(self, width: int, height: int = 900) -> None:
        """Set the size of the viewport; below 600 pixels it is a phone."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def js(self, script: str, *given: object) -> Any:
        """The value that a script returns."""
        return self.driver.execute_script(script, *given)

    def find(self, selector: str) -> Any:
        """The first element."""
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        """Scroll to an element and click it."""
        element = self.find(selector)
        self.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def text(self, selector: str) -> str:
        """The visible text of an element."""
        return str(
            self.js("return document.querySelector(arguments[0])?.innerText.toWellFormed() ?? ''", selector)
        )

    def until(self, condition: Callable[[], object]) -> Any:
        """Wait until the condition is true; its value."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, 20).until(lambda _: condition())

    def press(self, keys: str) -> None:
        """Send keys to the focused element."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(keys).perform()

    def picture(self, name: str, whole: bool = True) -> None:
        """Save a screenshot of the whole page, or of the viewport."""
        if not whole:
            self.driver.save_screenshot(str(self._pictures / f"{name}.png"))
            return
        width, height = self.js("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(5000, height), "scale": 1}
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
        )
        (self._pictures / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """The messages in the console: script errors and policy violations."""
        return [line["message"] for line in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One browser for all tests here."""
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        missing("selenium is not installed")
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    service = shutil.which("chromedriver")
    if browser is None or service is None:
        missing("there is no chromium with its chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(browser)
    for flag in (*_FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(service))
    pictures = Path(os.environ.get("LLMEVAL_SCREENSHOTS") or tmp_path_factory.mktemp("pictures"))
    pictures.mkdir(parents=True, exist_ok=True)
    try:
        yield Page(driver, pictures)
    finally:
        driver.quit()


def write(made: pages.MadeUp, *verdicts: GateResult, page_bytes: int = 12_000_000) -> list[Path]:
    """The pages of a made-up run that was started with ``--llm-benchmark=cmmlu``."""
    models = {result.model: f"openai:{result.model}" for result in made.results}
    rerun = Rerun({"model": list(models.values())}, models, {"cmmlu": "cmmlu"})
    return write_html(
        made.folder, made.run, made.results, verdicts, made.errors, rerun, page_bytes=page_bytes
    )


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """320 questions answered by two models."""
    found = pages.records(320, TWO, list(pages.SUBJECTS))
    made = pages.made_up(tmp_path_factory.mktemp("two"), found)
    verdict = GateResult("cmmlu=0.5", "fail", 0.41, 0.5, "41.1% is below 50%", "cmmlu", None, "puyu")
    return write(made, verdict)[0], found


def test_a_missing_browser_fails_in_ci_and_skips_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no chromium, and CI must have it"):
        missing("no chromium")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception):
        missing("no chromium")


# ---- hostile content

PAYLOADS = (
    "</script><script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 1">',
    '"><svg onload="window.hacked = 1">',
    "' onmouseover='window.hacked = 1' x='",
    "<!--<script>window.hacked = 1</script>",
    "]]><iframe srcdoc='<script>parent.hacked = 1</script>'>",
    "javascript:window.hacked = 1",
    "{{ 7 * 7 }}{% raw %}${window.hacked = 1}",
    "&lt;script&gt;window.hacked = 1&lt;/script&gt;",
    "<style>*{display:none}</style><base href=//evil/><meta http-equiv=refresh content=0>",
)
#: direction marks, lone surrogates, control characters, line ends of JavaScript
BROKEN = "\u202egnirts\u2066\u200f\ud800x\udc00\u2028\u2029\x00\x1b[31m\ufeff\ufffe\r\n\t注册"


def hostile_run(folder: Path, payload: str) -> list[Path]:
    """A run with ``payload`` in every field."""
    bad = payload + BROKEN
    names = {f"{bad} {n}": (f"{bad}e", f"{bad}z") for n in range(7)}
    info = pages.info(bad, names, 14)
    info = replace(
        info,
        groups={f"{bad} group": tuple(names)[:3], "other": tuple(names)[3:]},
        conditions=replace(info.conditions, split=bad, prompt_sha256=bad, data_sha256=bad),
    )
    found = []
    for model in (bad, "B"):
        for place, subject in enumerate(names):
            outcome = list(Outcome)[place % 5]
            completion = Completion(
                text="" if outcome is Outcome.ERROR else bad,
                reasoning=bad,
                scores={bad: -1.5, "B": -2.0},
                finish_reason=bad,
                prompt_tokens=3,
                completion_tokens=4,
                latency_s=0.5,
                attempts=2,
                notes=(bad, bad),
                error=bad if outcome is Outcome.ERROR else None,
            )
            target = None if outcome is Outcome.ANSWERED else bad if outcome is Outcome.CORRECT else "B"
            found.append(
                Record(
                    id=f"{bad}/{subject}/{bad}{place}",
                    nodeid=f"{bad}::test[{bad}]",
                    model=model,
                    benchmark=bad,
                    subject=subject,
                    outcome=outcome,
                    answer=bad,
                    target=target,
                    completion=completion,
                    prompt=f"{bad}\n\n[user]\n{bad}",
                )
            )
    made = pages.made_up(folder, found, info, complete=False, name=bad)
    run = replace(made.run, command=bad, versions={bad: bad}, machine={bad: bad})
    verdict = GateResult(bad, "incomplete", None, 0.5, bad, bad, bad, bad)
    return write(replace(made, run=run), verdict)


POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


@pytest.mark.parametrize("policy", [True, False], ids=["page", "page without its policy"])
def test_hostile_content_does_not_run(page: Page, tmp_path: Path, policy: bool) -> None:
    for number, payload in enumerate(PAYLOADS):
        (path,) = hostile_run(tmp_path / str(number), payload)
        if not policy:  # escaping alone must suffice
            content = path.read_text("utf-8")
            assert len(POLICY.findall(content)) == 1
            path.write_text(POLICY.sub("", content), "utf-8")
        page.complaints()
        page.open(path)
        page.until(lambda: page.js("return document.querySelectorAll('.item').length"))
        for place in range(7):  # each question, with all its texts
            page.js("document.querySelectorAll('.item')[arguments[0]].click()", place)
            page.until(lambda: page.js("return document.querySelectorAll('.detail .command').length") == 2)
        for fold in range(page.js("return document.querySelectorAll('details').length")):
            page.js("document.querySelectorAll('details')[arguments[0]].open = true", fold)
        page.js("document.querySelectorAll('th button').forEach((press) => press.click())")
        assert page.js("return typeof window.hacked") == "undefined", payload
        assert page.js("return document.querySelectorAll('img, iframe, object, embed, base').length") == 0
        assert page.js("return document.querySelectorAll('script:not([type])').length") == 1
        assert page.js("return document.querySelectorAll('style').length") == 1
        names = page.js(
            "return [...document.querySelectorAll('*')].flatMap((node) => node.getAttributeNames())"
        )
        assert not [name for name in names if name.startswith("on") or name == "srcdoc"]
        targets = page.js(
            "return [...document.querySelectorAll('[href]')].map((one) => one.getAttribute('href'))"
        )
        assert all(target.startswith(("#", "data:image/svg+xml,")) for target in targets)
        assert not set("\u202e\u2066\u200f\x00\x1b") & set(page.text("main"))
        assert "U+202E" in page.text("#detail")
        assert page.complaints() == []
    page.picture("hostile")


def test_the_policy_blocks_an_injected_script(page: Page, two_models: tuple[Path, list[Record]]) -> None:
    content = two_models[0].read_text("utf-8")
    evil = content.replace("</main>", "<script>window.hacked = 1</script></main>")
    path = two_models[0].with_name("evil.html")
    path.write_text(evil, "utf-8")
    page.open(path)
    assert page.js("return typeof window.hacked") == "undefined"
    path.write_text(POLICY.sub("", evil), "utf-8")
    page.open(path)
    assert page.js("return window.hacked") == 1  # without the policy it runs
    assert any("Content Security Policy" in line for line in page.complaints())


# ---- controls


def shown_number(page: Page) -> int:
    """The number of questions in the list; -1 during a search."""
    said = re.match(r"[\d,]+", page.text("#shown"))
    return int(said[0].replace(",", "")) if said else -1


def choose(page: Page, field: str, value: str) -> None:
    """Select the option with this text in a filter."""
    from selenium.webdriver.support.ui import Select

    Select(page.find(f"#f-{field}")).select_by_visible_text(value)


def counted(page: Page, number: int) -> None:
    """Wait until the list has this many questions."""
    try:
        page.until(lambda: shown_number(page) == number)
    except Exception:
        raise AssertionError(f"{page.text('#shown')} instead of {number}") from None


def test_filters(page: Page, two_models: tuple[Path, list[Record]]) -> None:
    path, found = two_models
    page.open(path)
    counted(page, 320)
    for outcome in Outcome:
        ids = {one.id for one in found if one.outcome is outcome}
        if ids:
            choose(page, "outcome", outcome.value)
            counted(page, len(ids))
    choose(page, "outcome", "wrong")
    choose(page, "model", "puyu")
    counted(page, sum(one.outcome is Outcome.WRONG and one.model == "puyu" for one in found))
    choose(page, "subject", "arts 艺术学")
    own = [one for one in found if one.outcome is Outcome.WRONG and one.model == "puyu"]
    counted(page, sum(one.subject == "arts" for one in own))
    page.click("#filters [type=reset]")
    counted(page, 320)
    right = {
        model: {one.id for one in found if one.model == model and one.outcome is Outcome.CORRECT}
        for model in TWO
    }
    errors = {one.id for one in found if one.outcome is Outcome.ERROR}
    choose(page, "outcome", "models differ")
    counted(page, len((right[TWO[0]] ^ right[TWO[1]]) - errors))


def test_search_covers_all_texts(page: Page, two_models: tuple[Path, list[Record]]) -> None:
    path, found = two_models
    page.open(path)
    record = found[200]
    own = re.search(r"第 \d+ 题（\d+）", record.prompt)
    assert own is not None
    for words, number in (
        (own[0], 1),
        (record.completion.text[-25:], 1),
        ("server is overloaded", len({one.id for one in found if one.completion.error})),
        ("例题 3", 0),  # in the prefix shared by all prompts of a subject
        ("no such words", 0),
    ):
        field = page.find("#f-text")
        field.clear()
        field.send_keys(words)
        counted(page, number)


def test_an_opened_question_shows_everything(page: Page, two_models: tuple[Path, list[Record]]) -> None:
    path, found = two_models
    page.open(path)
    page.until(lambda: page.js("return document.querySelectorAll('.item').length"))
    page.click(".item:nth-child(3)")
    page.until(lambda: "cmmlu/agronomy/2" in page.text("#detail"))
    records = [one for one in found if one.id == "cmmlu/agronomy/2"]
    text = page.text("#detail")
    for record in records:
        assert record.completion.text in text
        assert f"{record.outcome.value}" in text
        assert (
            f'pytest --llm-model=openai:{record.model} --llm-benchmark=cmmlu --llm-refresh -k "[agronomy-2]"'
            in text
        )
    assert page.js("return document.querySelector('#detail > pre').textContent") == records[0].prompt
    assert page.js("return location.hash") == "#q=cmmlu%2Fagronomy%2F2"
    page.open(path, fragment="#q=cmmlu%2Fgenetics%2F7")
    page.until(lambda: "cmmlu/genetics/7" in page.text("#detail"))


def test_scores_of_a_graded_metric(page: Page, tmp_path: Path) -> None:
    found = pages.graded(pages.records(40, ("puyu",), ["agronomy", "arts"]))
    subjects = {key: pages.SUBJECTS[key] for key in ("agronomy", "arts")}
    info = replace(pages.info("cmmlu", subjects, 40), metric="rouge_l", threshold=0.5)
    (path,) = write(pages.made_up(tmp_path, found, info))
    for order, best in (("lowest score first", min), ("highest score first", max)):
        page.open(path)
        counted(page, 40)
        choose(page, "order", order)
        wanted = best(one.score for one in found if one.score is not None)
        page.click(".item:first-child")
        page.until(lambda wanted=wanted: f"score {wanted:.3f}" in page.text("#detail"))
    assert not page.complaints()


@pytest.fixture(scope="module")
def repeats(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """80 questions answered four times by two models."""
    once = pages.records(80, TWO, list(pages.SUBJECTS))
    said = ("AAAA", "ABAB", "BAAA", "CCDA", "B--B", "!AA!", "!!!!", "----", "AAB-", "DDDD")
    found = []
    for place, record in enumerate(once):
        turned = place if record.model == TWO[0] else place * 7 + 3
        found += pages.repeated(pages.changed(record, target="A"), said[turned % len(said)])
    return write(pages.made_up(tmp_path_factory.mktemp("repeats"), found))[0], found


def by_question(found: list[Record]) -> dict[str, dict[str, list[Record]]]:
    """Question -> model -> its answers."""
    sorted_out: dict[str, dict[str, list[Record]]] = {}
    for record in found:
        sorted_out.setdefault(record.id, {}).setdefault(record.model, []).append(record)
    return sorted_out


def test_every_repeat_is_shown(page: Page, repeats: tuple[Path, list[Record]]) -> None:
    path, found = repeats
    page.open(path)
    counted(page, 80)
    sorted_out = by_question(found)

    def told(times: list[Record]) -> Outcome:
        return times[majority_index([(one.outcome, one.answer) for one in times])].outcome

    def number(holds: Callable[[list[Record]], object], models: tuple[str, ...] = TWO) -> int:
        return sum(any(holds(of[model]) for model in models) for of in sorted_out.values())

    def flips(times: list[Record]) -> bool:
        right = [one.outcome is Outcome.CORRECT for one in times if one.outcome is not Outcome.ERROR]
        return any(right) and not all(right)

    for words, wanted in (
        ("correct by majority", number(lambda times: told(times) is Outcome.CORRECT)),
        ("wrong by majority", number(lambda times: told(times) is Outcome.WRONG)),
        ("unparsed by majority", number(lambda times: told(times) is Outcome.UNPARSED)),
        ("error by majority", number(lambda times: told(times) is Outcome.ERROR)),
        ("error at least once", number(lambda times: any(one.outcome is Outcome.ERROR for one in times))),
        ("flips", number(flips)),
        (
            "models differ",
            sum(
                Outcome.ERROR not in (a := told(of[TWO[0]]), b := told(of[TWO[1]]))
                and (a is Outcome.CORRECT) != (b is Outcome.CORRECT)
                for of in sorted_out.values()
            ),
        ),
    ):
        assert 0 < wanted < 80, words
        choose(page, "outcome", words)
        counted(page, wanted)
    # alerts count answers and link to the questions that have one
    page.click(".alert.warn button")
    counted(page, number(lambda times: any(one.outcome is Outcome.UNPARSED for one in times)))
    page.click(".card .repeats button[data-model='1']")
    counted(page, number(flips, TWO[1:]))
    page.picture("repeats", whole=True)
    # each answer is shown and found by search
    page.click("#filters [type=reset]")
    counted(page, 80)
    record = next(one for one in found if one.repeat == 2 and one.outcome is Outcome.WRONG)
    page.find("#f-text").send_keys(record.completion.text)
    counted(page, 1)
    page.click(".item")
    page.until(lambda: page.text("#detail h3") == record.id)
    assert page.js("return document.querySelectorAll('#detail .time').length") == 8
    page.js("document.querySelectorAll('#detail .time').forEach((fold) => { fold.open = true; })")
    text = page.text("#detail")
    for times in sorted_out[record.id].values():
        assert f"{told(times).value}" in text and "by majority" in text
        for one in times:
            assert (one.completion.error or one.completion.text) in text
    page.picture("repeats-question", whole=False)
    flipping = next(id for id, of in sorted_out.items() if [o.answer for o in of[TWO[0]]] == list("BAAA"))
    page.open(path, fragment="#q=" + flipping.replace("/", "%2F"))
    page.until(lambda: page.text("#detail h3") == flipping)
    assert "correct 3 of 4 times (flips)" in page.text("#detail")
    assert "3/4" in page.text(".item[aria-selected=true] .badges")
    assert page.complaints() == []


def test_the_list_skips_the_shared_instruction(page: Page, tmp_path: Path) -> None:
    # one question per subject, so no prefix is shared, but each turn starts with the same instruction
    page.open(write(pages.made_up(tmp_path, pages.records(4, TWO[:1], list(pages.SUBJECTS)[:4])))[0])
    counted(page, 4)
    peeks = "return [...document.querySelectorAll('.item .peek')].map((one) => one.textContent)"
    page.until(lambda: len(page.js(peeks)) == 4 and "\u00a0" not in page.js(peeks))
    assert all(re.match("题目：关于.*的第 0 题", one) for one in page.js(peeks)), page.js(peeks)


def test_without_repeats_nothing_mentions_them(page: Page, two_models: tuple[Path, list[Record]]) -> None:
    page.open(two_models[0])
    counted(page, 320)
    assert "majority" not in page.text("#filters") and "flips" not in page.text("#filters")
    page.click(".item")
    page.until(lambda: page.text("#detail h3"))
    assert page.js("return document.querySelectorAll('.time').length") == 0


def test_keys(page: Page, two_models: tuple[Path, list[Record]]) -> None:
    from selenium.webdriver.common.keys import Keys

    page.open(two_models[0])
    counted(page, 320)
    page.js("document.getElementById('list').focus()")
    for keys, title in (
        (Keys.ARROW_DOWN, "cmmlu/agronomy/0"),
        ("jj", "cmmlu/agronomy/2"),
        ("k", "cmmlu/agronomy/1"),
        (Keys.END, "cmmlu/logical/39"),
        (Keys.HOME, "cmmlu/agronomy/0"),
    ):
        page.press(keys)
        page.until(lambda wanted=title: page.text("#detail h3") == wanted)
    active = page.js("return document.getElementById('list').getAttribute('aria-activedescendant')")
    assert (
        page.js("return document.getElementById(arguments[0]).getAttribute('aria-selected')", active)
        == "true"
    )
    page.press("/")
    assert page.js("return document.activeElement.id") == "f-text"
    page.press("genetics-12" + Keys.ENTER)
    counted(page, 1)
    page.press(Keys.ESCAPE)
    assert page.js("return document.activeElement.id") == "list"


def test_tables_sort(page: Page, two_models: tuple[Path, list[Record]]) -> None:
    page.open(two_models[0])

    def column(number: int) -> list[str]:
        return page.js(
            "return [...[...document.querySelectorAll('table.parts')].at(-1).tBodies[0].rows]"
            ".map((row) => row.cells[arguments[0]].innerText)",
            number,
        )

    def press(number: int) -> None:
        page.js(
            "[...document.querySelectorAll('table.parts')].at(-1).rows[0].cells[arguments[0]].querySelector('button').click()",
            number,
        )

    before = column(0)
    press(3)
    numbers = [float(one.rstrip("%")) for one in column(3)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) > 2
    press(3)
    assert [float(one.rstrip("%")) for one in column(3)] == sorted(numbers)
    press(3)
    assert column(0) == before
    press(0)
    assert column(0) == sorted(before)


def test_links_filter_the_questions(page: Page, two_models: tuple[Path, list[Record]]) -> None:
    path, found = two_models
    page.open(path)
    page.click(".alert.bad button")
    counted(page, len({one.id for one in found if one.outcome is Outcome.ERROR}))
    page.click(".alert.warn button")
    counted(page, len({one.id for one in found if one.outcome is Outcome.UNPARSED}))
    page.click("#benchmark-1 a.to-questions[data-subject=arts]")
    counted(page, 40)


def test_themes(page: Page, two_models: tuple[Path, list[Record]]) -> None:
    def background() -> str:
        return str(page.js("return getComputedStyle(document.body).backgroundColor"))

    page.open(two_models[0], dark=True)
    dark = background()
    page.picture("two-models-dark")
    page.open(two_models[0])
    light = background()
    assert light != dark
    page.picture("two-models-light")
    seen = []
    for _ in range(3):
        page.click("#theme")
        seen.append(background())
    assert seen == [dark, light, light]
    assert page.complaints() == []


def test_a_phone(page: Page, two_models: tuple[Path, list[Record]]) -> None:
    page.open(two_models[0], width=390)
    counted(page, 320)
    assert page.js("return document.documentElement.scrollWidth") <= 390
    page.picture("phone")
    page.click(".item:nth-child(2)")
    page.until(lambda: "cmmlu/agronomy/1" in page.text("#detail"))
    place = "return document.getElementById('detail').getBoundingClientRect().width"
    assert page.js(place) == 390
    page.picture("phone-question", whole=False)
    page.click("#back")
    page.until(lambda: page.js(place) == 0)


def test_questions_on_several_pages(page: Page, tmp_path: Path) -> None:
    found = pages.records(300, ("puyu",), list(pages.SUBJECTS))
    paths = write(pages.made_up(tmp_path, found), page_bytes=25_000)
    assert len(paths) > 2
    assert [path.name for path in paths[:2]] == ["report.html", "report-2.html"]
    for start, name in ((0, paths[-1].name), (-1, paths[0].name)):
        page.open(paths[start])
        counted(page, 300)  # every page lists all
        last = "return document.getElementById('list').scrollTop = 1e9 * arguments[0]"
        page.js(last, 1 + start)
        wanted = found[-1 if start == 0 else 0].id
        page.until(lambda: page.js("return document.querySelectorAll('.item').length"))
        page.js("document.getElementById('list').focus()")
        from selenium.webdriver.common.keys import Keys

        page.press(Keys.END if start == 0 else Keys.HOME)
        page.until(lambda one=name: page.driver.current_url.split("#")[0].endswith(one))
        page.until(lambda one=wanted: page.text("#detail h3") == one)
    page.find("#f-text").send_keys("题目")
    page.until(lambda: "on other pages" in page.text("#shown"))


def test_fifteen_thousand_questions(page: Page, tmp_path: Path) -> None:
    found = pages.records(15_000, TWO[:1], list(pages.SUBJECTS), words=120)
    (path,) = write(pages.made_up(tmp_path, found))
    assert path.stat().st_size < 15_000_000
    page.open(path)
    counted(page, 15_000)
    page.picture("15000")
    page.js("document.getElementById('list').scrollTop = 1e9")
    page.until(lambda: page.js("return !!document.getElementById('item-14999')"))
    assert page.js("return document.querySelectorAll('.item').length") < 100
    page.js("document.getElementById('item-14999').click()")
    page.until(lambda: page.text("#detail h3") == found[-1].id)
    assert found[-1].completion.text in page.text("#detail")
    page.find("#f-text").send_keys(found[7000].completion.text[-40:])
    counted(page, 1)
    assert page.complaints() == []


def test_printing(page: Page, two_models: tuple[Path, list[Record]]) -> None:
    page.open(two_models[0], dark=True)
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert page.js("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.js("return document.getElementById('list').getBoundingClientRect().height") == 0
        assert page.js("return document.querySelector('th button').getBoundingClientRect().height") > 0
        page.picture("print")
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
