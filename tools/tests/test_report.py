"""The report of a release in a real browser: on a phone and on a desk, in light and in dark."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from browser import axe, launch_options
from conftest import Checkout, Released
from playwright.sync_api import Browser, Page, sync_playwright

from cqc_tools.foundation import configuration
from cqc_tools.packages import ecosystems, manifest
from cqc_tools.packages.manifest import Build
from cqc_tools.release import report
from cqc_tools.release.report import HeldFile, Holding, Report

CHANGES = """### Breaking

- field `cqc.markets.v1.Price.value` removed: breaks wire, JSON, source
- <img src="https://example.com/track.png"> in a comment of [ours](https://example.com/)

| message | fields |
| --- | --- |
| `cqc.markets.v1.AnExtraordinarilyLongNameOfAMessageThatNobodyWouldEverWriteButThatFitsNoPhone` | 3 |
"""


@pytest.fixture(scope="module")
def built(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A copy of the build, beside which tests may write a report."""
    return manifest.load(Path(shutil.copytree(released.dist, tmp_path_factory.mktemp("dist") / "1.2.0")))


def complete(built: Build) -> Report:
    by_ecosystem = {artifact.ecosystem: artifact for artifact in built.artifacts}
    labels = {ecosystem.key: ecosystem.label for ecosystem in ecosystems.load(configuration.load())}
    return Report(
        built,
        "https://github.com/Combine-Capital/cqc",
        "local",
        datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
        tuple(
            Holding(
                labels[key],
                "cqc",
                "1.2.0",
                "http://127.0.0.1:1/",
                (HeldFile(item.path.name, item.digest, item.digest),),
            )
            for key, item in by_ecosystem.items()
        ),
        "v1.1.0",
        CHANGES,
        {"build Go": 0.2, "publish cqc 1.2.0 to PyPI": 1.5},
        labels,
    )


def in_every_state(built: Build) -> Report:
    """One registry in each state."""
    whole = complete(built)
    one = whole.holdings[0]
    (file,) = one.files
    absent = replace(file, served=None)
    other = replace(file, served="sha256:" + "0" * 64)
    foreign = HeldFile("foreign-1.2.0.whl", None, "sha256:" + "1" * 64)
    return replace(
        whole,
        holdings=(
            one,
            replace(one, files=(absent,)),
            replace(one, files=(file, replace(absent, name="second.whl"))),
            replace(one, files=(other, foreign)),
            replace(one, unread="it answered with 503 Service Unavailable <b>"),
        ),
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    options = launch_options()
    with sync_playwright() as playwright:
        try:
            running = playwright.chromium.launch(**options)
        except Exception as error:
            if "channel" not in options:
                raise
            pytest.skip(f"NOT TESTED here: no Chrome was found, install it ({error.__class__.__name__})")
        yield running
        running.close()


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(browser: Browser, page: Path, width: int, scheme: str) -> tuple[Page, list[str]]:
    """The page in a window of a width in pixels, and every address that it requested."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    window = context.new_page()
    requested: list[str] = []
    problems: list[str] = []
    window.on("request", lambda request: requested.append(request.url))
    window.on("pageerror", lambda error: problems.append(str(error)))
    window.on("console", lambda message: problems.append(message.text))
    window.goto(page.as_uri())
    assert problems == []
    return window, requested


def written(built: Build, content: Report) -> Path:
    page = built.folder / "report.html"
    page.write_text(report.render(content))
    return page


RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOWEST_CONTRAST = 4.5


def find_barriers(window: Page) -> list[str]:
    """Each rule that an element breaks, or that axe could not decide, with the element."""
    window.evaluate(axe())
    result: dict[str, Any] = window.evaluate("rules => axe.run({ runOnly: rules })", RULES)
    barriers = [
        f"{rule['id']}: {node['html']}: {node['failureSummary']}"
        for rule in (*result["violations"], *result["incomplete"])
        for node in rule["nodes"]
    ]
    # WCAG accepts a contrast of 3 for large text. The report keeps its headings at 4.5 too.
    measured = [node for rule in result["passes"] if rule["id"] == "color-contrast" for node in rule["nodes"]]
    assert measured, "axe measured no contrast"
    for node in measured:
        ratio = node["any"][0]["data"]["contrastRatio"]
        if ratio < LOWEST_CONTRAST:
            barriers.append(f"color-contrast: {node['html']}: {ratio}, expected at least {LOWEST_CONTRAST}")
    return barriers


@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_readable_on_a_phone_and_on_a_desk(built: Build, browser: Browser, scheme: str, width: int) -> None:
    content = in_every_state(built)
    window, requested = opened(browser, written(built, content), width, scheme)
    assert requested == [window.url], "the page requests nothing but itself"
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    assert window.title() == "CQC 1.2.0: release report"
    assert window.get_by_role("heading", name="CQC 1.2.0", exact=True).is_visible()
    for file in built.files:
        assert window.get_by_role("link", name=file.path.name, exact=True).is_visible()
        assert window.get_by_text(file.sha256, exact=True).first.is_visible()
        assert window.get_by_text(file.digest, exact=True).first.is_visible()
    for state in ("✓ complete", "○ absent", "! incomplete", "✗ conflict", "? unknown"):
        assert window.get_by_text(state, exact=True).first.is_visible()
    assert window.get_by_text("Not on all registries").is_visible()
    assert window.get_by_text("503 Service Unavailable <b>").is_visible()
    for table in window.get_by_role("table").all():
        box = table.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        caption = table.locator("caption").bounding_box() if table.locator("caption").count() else None
        assert caption is None or caption["height"] < 60, "the caption is squeezed into a column"
    assert find_barriers(window) == []
    window.context.close()


@pytest.mark.parametrize(
    ("good", "bad", "barrier"),
    [
        ("--soft: #59636e", "--soft: #999", "color-contrast: <caption>"),
        ("h1 { margin: 0;", "h1 { margin: 0; color: #888;", "color-contrast: <h1>"),
        ('<html lang="en">', "<html>", "html-has-lang: <html>"),
        (">release.json</a>", "></a>", 'link-name: <a href="release.json">'),
    ],
)
def test_a_barrier_is_named(built: Build, browser: Browser, good: str, bad: str, barrier: str) -> None:
    page = written(built, complete(built))
    text = page.read_text()
    assert good in text
    page.write_text(text.replace(good, bad))
    window, _ = opened(browser, page, 1280, "light")
    barriers = find_barriers(window)
    assert any(found.startswith(barrier) for found in barriers), barriers
    window.context.close()


def test_the_two_color_schemes_differ(built: Build, browser: Browser) -> None:
    page = written(built, complete(built))
    seen = set()
    for scheme in ("light", "dark"):
        window, _ = opened(browser, page, 360, scheme)
        seen.add(window.evaluate("getComputedStyle(document.body).backgroundColor"))
        window.context.close()
    assert len(seen) == 2


def test_its_links_point_to_the_built_files(built: Build, browser: Browser) -> None:
    page = written(built, complete(built))
    window, _ = opened(browser, page, 1280, "light")
    links = [str(link.get_attribute("href")) for link in window.get_by_role("link").all()]
    inside = {unquote(link) for link in links if "://" not in link}
    assert inside == {file.path.name for file in built.files} | {"release.json", "SHA256SUMS"}
    assert all((page.parent / name).is_file() for name in inside)
    assert f"https://github.com/Combine-Capital/cqc/commit/{built.commit}" in links
    assert window.get_by_text("On all 3 registries").is_visible()
    window.context.close()


def test_html_in_the_changes_is_shown_as_text(built: Build) -> None:
    text = report.render(complete(built))
    assert "<img" not in text
    assert "&lt;img src=" in text
    assert "<code>cqc.markets.v1.Price.value</code>" in text
    assert "<script" not in text


@pytest.mark.long
def test_it_lists_what_the_registries_hold(released: Released, published: Released, tmp_path: Path) -> None:
    for place in (released, published):
        is_published = place is published
        copy = place.copy(tmp_path / ("after" if is_published else "before"))
        done = copy.checkout.cqc("report", "--release", "1.2.0", "--json")
        assert done.returncode == 0, done.stderr
        page = Path(json.loads(done.stdout)["report"])
        assert page == copy.dist / "report.html"
        text = page.read_text()
        assert text.count("○ absent") == (0 if is_published else 3)
        assert text.count("✓ complete") == (3 if is_published else 0)
        assert ("On all 3 registries" in text) is is_published
        assert "The first release of the contracts." in text
        assert ("publish @cq/cqc 1.2.0 to npm" in text) is is_published
        assert not list(page.parent.glob("*.part"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--release", "1.2.0"), "make build VERSION=1.2.0"),
        (("--release", "1.2"), "is not a release version"),
        (("--release", "1.2.0", "--target", "nowhere"), "no target 'nowhere'"),
    ],
)
def test_invalid_input_to_the_report_is_refused(pristine: Checkout, options: tuple[str, ...], expected: str) -> None:
    done = pristine.cqc("report", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not (pristine.folder / "dist").exists()
