"""Analysts at work: the pages of a real server in a real browser, Debian's Chromium."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from dfedge_server.settings import PREFIX, Settings

from ..server.conftest import LiveServer, environment, free_port, wait_for_answer

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: the extra 'test'")
Page = Any
Locator = Any

MILLISECONDS = 120_000
"""That a verdict, or anything else, may take on a busy machine."""

COLLECT = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""

OUTLINED = """() => {
  const at = document.activeElement;
  const ring = (element) => {
    const style = element && getComputedStyle(element);
    return style && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  };
  const reach = at.querySelector(".reach");
  return ring(at) || ring(at.closest("label")) || at.matches("video, summary") ||
    (reach && getComputedStyle(reach).stroke !== "none");
}"""

FAULTS = """() => {
  const faults = [];
  const name = (element) =>
    element.getAttribute("aria-label") || element.getAttribute("alt") || element.title ||
    [...(element.labels ?? [])].map((label) => label.textContent).join(" ") ||
    element.textContent;
  const seen = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
    .filter((element) => element.type !== "hidden" && element.checkVisibility());
  for (const element of seen) {
    if (!name(element).trim()) faults.push(`no name: ${element.outerHTML.slice(0, 80)}`);
    const large = [element, ...(element.labels ?? [])].some((target) => {
      const { width, height } = target.getBoundingClientRect();
      return width >= 24 && height >= 24;
    });
    const inline = getComputedStyle(element).display === "inline"; // 2.5.8 lets text links be
    if (!inline && !large) faults.push(`small: ${element.outerHTML.slice(0, 80)}`);
  }
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")]
    .map((heading) => Number(heading.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) faults.push(`h1: ${levels}`);
  levels.forEach((level, index) => {
    if (index && level > levels[index - 1] + 1) faults.push(`heading skipped: ${levels}`);
  });
  for (const landmark of ["header", "main", "footer", "nav"])
    if (!document.querySelector(landmark)) faults.push(`no ${landmark}`);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) faults.push("an id stands twice");
  if (!document.documentElement.lang) faults.push("no language");
  if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the window");
  return faults;
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser."""
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("DFEDGE_REQUIRE_BROWSER") == "1":
            pytest.fail("DFEDGE_REQUIRE_BROWSER=1, but there is no chromium")
        pytest.skip("needs chromium (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--headless=new", "--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """``dfedge serve`` for all tests here, with the bundle that ships and few frames."""
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            patch.delenv(name)
        patch.setenv("DFEDGE_HOME", str(folder / "home"))
        settings = Settings(
            data_dir=folder / "data", port=free_port(), frames=8, heatmaps=1, model_threads=1
        )
        log = folder / "serve.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "dfedge", "serve"],
                env=environment(settings),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        url = f"http://127.0.0.1:{settings.port}"
        try:
            wait_for_answer(f"{url}/ready", process, "dfedge serve", log)
            yield LiveServer(url, settings, process, log)
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def clip(request: pytest.FixtureRequest) -> Path:
    """A face-swap of the research data, or a made clip of a portrait where that is not here."""
    try:
        folder: Path = request.getfixturevalue("shared_data")
    except pytest.skip.Exception:
        made: Path = request.getfixturevalue("portrait_clip")
        return made
    return folder / "clips" / "Deepfakes_c23_055_147.mp4"


@pytest.fixture
def fresh_clip(clip: Path, tmp_path: Path) -> Path:
    """The same pictures in other bytes, so that they are judged anew."""
    box = b"free" + tmp_path.name.encode()
    path = tmp_path / "fresh.mp4"
    path.write_bytes(clip.read_bytes() + (4 + len(box)).to_bytes(4, "big") + box)
    return path


@pytest.fixture(scope="module")
def judged(server: LiveServer, clip: Path) -> str:
    """The path of the page of a clip that has been judged."""
    with server.client() as client:
        manifest = json.dumps({"kind": "clip", "name": clip.name})
        answer = client.post(
            "/v1/escalations",
            files={"manifest": (None, manifest, "application/json"), "clip": clip.read_bytes()},
            headers={"Prefer": "wait=60"},
        )
        assert httpx.codes.OK == answer.status_code, answer.text
        return f"/review/{answer.json()['id']}"


@dataclass
class Desk:
    """A browser window of an analyst, and what it complained about.

    Attributes:
        trouble: errors of the console and of scripts, and what the policy refused.
    """

    server: LiveServer
    page: Page
    shots: Path
    trouble: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Load a page of the server."""
        self.page.goto(self.server.url + path)

    def sign_in(self) -> None:
        """As Ana, with a new key."""
        self.open("/review/sign-in")
        self.page.get_by_label("Your name").fill("Ana Ibáñez")
        self.page.get_by_label("Key", exact=True).fill(self.server.key().secret)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/review")

    def wait_for_verdict(self) -> None:
        """Until the page shows one and its scripts have run."""
        self.page.locator("#headline").wait_for()
        self.page.wait_for_load_state("load")

    def tab_to(self, wanted: Locator, most: int = 80) -> None:
        """Press Tab until the focus is there; each stop on the way must show that it has it."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            assert self.page.evaluate(OUTLINED), self.page.evaluate(
                "document.activeElement.outerHTML.slice(0, 120)"
            )
            if wanted.evaluate("element => element === document.activeElement"):
                return
        pytest.fail(f"{wanted} is not reached by {most} tabs")

    def check(self, name: str) -> None:
        """Keep a picture of the whole page, and hold it to what can be checked."""
        self.page.evaluate("for (const picture of document.images) picture.loading = 'eager'")
        self.page.wait_for_load_state("networkidle")
        self.page.screenshot(path=self.shots / f"{name}.png", full_page=True)
        assert [] == self.page.evaluate(FAULTS)
        assert [] == self.page.evaluate("window.violations ?? []")
        assert [] == self.trouble


NewDesk = Callable[..., Desk]


@pytest.fixture
def desk(chromium: Any, server: LiveServer, tmp_path: Path) -> Iterator[NewDesk]:
    """``desk(**options)`` opens a window; the options are those of a context of playwright."""
    shots = Path(os.environ.get("DFEDGE_SCREENSHOTS") or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    contexts = []

    def open_desk(**options: Any) -> Desk:
        named: dict[str, Any] = {"viewport": {"width": 1200, "height": 850}}
        context = chromium.new_context(**(named | {"color_scheme": "light"} | options))
        context.set_default_timeout(MILLISECONDS)
        context.add_init_script(COLLECT)
        contexts.append(context)
        one = Desk(server, context.new_page(), shots)
        one.page.on(
            "console",
            lambda said: one.trouble.append(said.text) if said.type == "error" else None,
        )
        one.page.on("pageerror", lambda error: one.trouble.append(str(error)))
        return one

    yield open_desk
    for context in contexts:
        context.close()


def test_an_analyst_takes_a_clip_from_upload_to_decision(
    desk: NewDesk, clip: Path, tmp_path: Path
) -> None:
    """Sign in, upload, watch, read the verdict, decide, tell the mistake, download, delete."""
    at = desk()
    page = at.page
    at.open("/")
    at.check("sign-in")
    at.sign_in()
    at.check("inbox-empty")
    page.locator("#file").set_input_files(clip)
    page.get_by_role("button", name="Upload and judge").click()
    page.wait_for_url("**/review/*-*")
    sync_api.expect(page.locator("#stage, #headline")).not_to_be_empty()
    page.screenshot(path=at.shots / "progress.png")
    at.wait_for_verdict()
    at.check("verdict")
    shown = page.locator("main").inner_text()
    assert "No heavier model is installed" in shown
    assert "Person 1" in shown

    page.locator("#timeline .stop").last.click()
    sync_api.expect(page.locator("#now")).to_have_attribute("visibility", "visible")
    assert page.evaluate("document.getElementById('media').currentTime") > 0

    page.get_by_role("radio", name="Real").check()
    page.get_by_label("Why").fill("The reporter sent the original.")
    page.get_by_role("button", name="Record as Ana Ibáñez").click()
    page.get_by_text("Decided by a person", exact=True).wait_for()
    history = page.locator("#history")
    assert "The reporter sent the original." in history.inner_text()
    assert "Ana Ibáñez" in history.inner_text()
    page.get_by_label("Which kind").select_option("false_alarm")
    page.get_by_role("button", name="Tell").click()
    page.locator("#feedback li").wait_for()
    at.check("decided")

    with page.expect_download() as download:
        page.get_by_role("link", name="Download JSON").click()
    download.value.save_as(tmp_path / "told.json")
    told = json.loads((tmp_path / "told.json").read_text())
    assert ["REAL"] == [override["label"] for override in told["overrides"]]

    page.get_by_role("link", name="Inbox").click()
    at.check("inbox")
    row = page.locator(".row-link", has_text=clip.name).first
    assert "decided by Ana Ibáñez" in row.inner_text()
    row.click()
    page.get_by_role("link", name="Delete…").click()
    at.check("delete")
    page.get_by_role("button", name="Delete for good").click()
    page.wait_for_url("**/review")
    assert [] == at.trouble


def test_everything_can_be_done_by_keyboard(desk: NewDesk, server: LiveServer, clip: Path) -> None:
    """Sign in, choose a file, go along the timeline, decide; every stop shows its focus."""
    at = desk()
    page, keys = at.page, at.page.keyboard
    at.open("/review")
    keys.press("Tab")
    assert "Skip to the content" == page.evaluate("document.activeElement.textContent")
    at.tab_to(page.get_by_label("Your name"))
    keys.type("Ana")
    at.tab_to(page.get_by_label("Key", exact=True))
    keys.type(server.key(tenant="keyboard").secret)
    keys.press("Enter")
    page.wait_for_url("**/review")

    keys.press("u")
    with page.expect_file_chooser() as chooser:
        keys.press("Space")
    chooser.value.set_files(clip)
    at.tab_to(page.get_by_role("button", name="Upload and judge"))
    keys.press("Enter")
    page.wait_for_url("**/review/*-*")
    at.wait_for_verdict()

    stops = page.locator("#timeline .stop")
    at.tab_to(page.locator("#timeline .stop[tabindex='0']"))
    before = page.evaluate("document.activeElement.dataset.seconds")
    keys.press("End")
    assert before != page.evaluate("document.activeElement.dataset.seconds")
    keys.press("Enter")
    assert page.evaluate("document.getElementById('media').currentTime") > 0
    assert 1 == stops.and_(page.locator("[tabindex='0']")).count()
    at.tab_to(page.get_by_role("radio", name="Fake"))
    keys.press("ArrowDown")
    sync_api.expect(page.get_by_role("radio", name="Real")).to_be_checked()
    at.tab_to(page.get_by_label("Why"))
    keys.type("Seen the original.")
    at.tab_to(page.get_by_role("button", name="Record as Ana"))
    keys.press("Enter")
    page.get_by_text("Decided by a person", exact=True).wait_for()

    at.open("/review")
    keys.press("j")
    keys.press("Enter")
    page.wait_for_url("**/review/*-*")
    assert [] == at.trouble


def test_on_a_phone_and_in_the_dark(desk: NewDesk, judged: str) -> None:
    """360 pixels are enough for every page, and the system's dark scheme is followed."""
    at = desk(viewport={"width": 360, "height": 740}, has_touch=True, color_scheme="dark")
    at.open("/review/sign-in")
    at.check("phone-dark-sign-in")
    at.sign_in()
    at.check("phone-dark-inbox")
    at.open(judged)
    at.check("phone-dark-verdict")
    assert "rgb(20, 20, 22)" == at.page.evaluate("getComputedStyle(document.body).backgroundColor")
    at.page.locator("#timeline .stop").last.tap()
    assert at.page.evaluate("document.getElementById('media').currentTime") > 0


def test_the_choice_of_light_or_dark_is_kept(desk: NewDesk, judged: str) -> None:
    """From one page to the next; it says what it would change to."""
    at = desk()
    at.sign_in()
    at.page.get_by_role("button", name="Dark mode").click()
    at.open(judged)
    assert "rgb(20, 20, 22)" == at.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert at.page.get_by_role("button", name="Light mode").is_visible()
    at.check("verdict-dark")


def test_files_can_be_dropped_and_what_is_refused_is_told(desk: NewDesk) -> None:
    """Several at once: each has its line, and the wrong one says what is wrong with it."""
    at = desk()
    at.sign_in()
    at.page.evaluate(
        """() => {
          const carried = new DataTransfer();
          carried.items.add(new File(["%PDF-1.7 no clip"], "letter.pdf"));
          carried.items.add(new File(["neither"], "notes.txt"));
          document.body.dispatchEvent(
            new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
        }"""
    )
    refused = at.page.locator("#uploads .problem")
    sync_api.expect(refused).to_have_count(2, timeout=30_000)
    assert "PDF" in refused.first.inner_text()
    at.page.screenshot(path=at.shots / "dropped.png")
    assert at.page.evaluate("violations") == []


def test_without_scripts_everything_works_as_plain_forms(desk: NewDesk, fresh_clip: Path) -> None:
    """Upload, progress by reloading, verdict and decision."""
    at = desk(java_script_enabled=False)
    at.sign_in()
    at.page.locator("#file").set_input_files(fresh_clip)
    at.page.get_by_role("button", name="Upload and judge").click()
    at.page.wait_for_url("**/review/*-*")
    at.wait_for_verdict()
    at.page.get_by_role("radio", name="Fake").check()
    at.page.get_by_label("Why").fill("Two brows.")
    at.page.get_by_role("button", name="Record as Ana Ibáñez").click()
    at.page.get_by_text("Decided by a person", exact=True).wait_for()
    at.page.screenshot(path=at.shots / "without-scripts.png", full_page=True)


def test_progress_is_asked_for_where_events_do_not_come(desk: NewDesk, fresh_clip: Path) -> None:
    """A proxy that blocks the stream of events costs no verdict."""
    at = desk()
    at.page.route("**/events", lambda route: route.abort())
    at.sign_in()
    at.page.locator("#file").set_input_files(fresh_clip)
    at.page.get_by_role("button", name="Upload and judge").click()
    at.page.locator("#stage").wait_for()
    at.wait_for_verdict()


def test_a_link_in_another_sites_page_opens_signed_in(desk: NewDesk, judged: str) -> None:
    """The strict cookie does not come with it; the page fetches itself once more."""
    at = desk()
    at.sign_in()
    elsewhere = at.server.url.replace("127.0.0.1", "localhost")
    at.page.goto(f"{elsewhere}/review/sign-in")
    at.page.evaluate("address => location.assign(address)", at.server.url + judged)
    at.wait_for_verdict()


def test_a_verdict_prints_without_its_controls(desk: NewDesk, judged: str) -> None:
    """On paper: verdict, people and history, light, without forms and player."""
    at = desk(color_scheme="dark")
    at.sign_in()
    at.open(judged)
    at.page.emulate_media(media="print")
    assert at.page.locator("#headline").is_visible()
    assert not at.page.locator("#decide").is_visible()
    assert not at.page.locator("video").is_visible()
    at.page.pdf(path=at.shots / "verdict.pdf")
    at.page.screenshot(path=at.shots / "print.png", full_page=True)
