"""What the pages answer, with and without a session, to their own and to foreign forms."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from uuid_utils.compat import uuid7

from dfedge.escalation.wire import Submission
from dfedge_server.app import create_app
from dfedge_server.db.engine import Database
from dfedge_server.db.migrate import migrate
from dfedge_server.db.models import Escalation, Job
from dfedge_server.security.principal import Scope
from dfedge_server.settings import PREFIX, Settings

from ..conftest import new_key, with_settings
from .conftest import EscalationMaker

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture(scope="module")
def own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """SQLite and a folder with all tables, for all tests here: each has a tenant of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            patch.delenv(name)
        patch.setenv("DFEDGE_HOME", str(tmp_path_factory.mktemp("home")))
        settings = Settings(data_dir=tmp_path_factory.mktemp("server"), requests_per_minute=100_000)
        asyncio.run(migrate(settings))
        yield settings


@pytest.fixture(scope="module")
def served(own_settings: Settings) -> Iterator[TestClient[Litestar]]:
    """The whole application."""
    with TestClient(create_app(own_settings)) as client:
        yield client


@pytest.fixture
def client(served: TestClient[Litestar]) -> TestClient[Litestar]:
    """A browser without cookies that follows no redirects by itself."""
    served.cookies.clear()
    served.follow_redirects = False
    return served


@pytest.fixture
def tenant() -> str:
    """Nobody else's."""
    return uuid7().hex


Keys = Callable[..., str]


@pytest.fixture
def key(own_settings: Settings, tenant: str) -> Keys:
    """``key(*scopes)``: a new key of the tenant, of all scopes when none is named."""

    def make(*scopes: Scope) -> str:
        return new_key(own_settings, *scopes, tenant=tenant).secret

    return make


@dataclass
class Analyst:
    """Somebody who is signed in."""

    client: TestClient[Litestar]
    csrf: str

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Load a page."""
        return self.client.get(path, headers=headers)

    def post(self, path: str, **fields: str) -> httpx.Response:
        """Send a form with its token."""
        return self.client.post(path, data={"csrf": self.csrf} | fields)


@pytest.fixture
def analyst(client: TestClient[Litestar], key: Keys) -> Analyst:
    """Ana, with a key of all scopes."""
    return sign_in(client, key())


def sign_in(client: TestClient[Litestar], secret: str) -> Analyst:
    """Sign in as Ana."""
    answer = client.post("/review/sign-in", data={"who": "Ana", "key": secret})
    assert (303, "/review") == (answer.status_code, answer.headers["location"])
    found = re.search(r'name="csrf" value="(\w+)"', client.get("/review").text)
    assert found is not None
    return Analyst(client, found[1])


@pytest.fixture
def judged(own_settings: Settings, tenant: str, escalation_maker: EscalationMaker) -> Any:
    """``judged(name, scores, tenant=...)`` puts an escalation that is done into the database."""

    def make(name: str, scores: list[float], *, tenant: str = tenant) -> UUID:
        verdict = escalation_maker.verdict(scores, name=name)
        job = Job(
            id=uuid7(),
            tenant=tenant,
            input_sha256=uuid7().hex * 2,
            policy_sha256="0" * 64,
            state="done",
            kind="clip",
            submission=msgspec.to_builtins(Submission(kind="clip", name=name)),
            media={},
            stage={"name": "done"},
            verdict=msgspec.to_builtins(verdict),
            thresholds={"real": 0.2, "fake": 0.8},
            finished_at=datetime.now(UTC),
        )
        row = Escalation(
            tenant=tenant,
            job=job,
            name=name,
            request_sha256="0" * 64,
            expires_at=datetime.now(UTC) + timedelta(days=1),
        )

        async def keep() -> None:
            database = Database(own_settings)
            async with database.session() as session:
                session.add(row)
            await database.close()

        asyncio.run(keep())
        return row.id

    return make


# Signing in


@pytest.mark.parametrize("path", ["/review", f"/review/{UUID(int=1)}", "/review?q=a"])
def test_nobody_sees_a_page_without_signing_in(client: TestClient[Litestar], path: str) -> None:
    """Whoever is not signed in is led there, and back afterwards."""
    answer = client.get(path)
    assert 303 == answer.status_code
    assert answer.headers["location"].startswith("/review/sign-in")


def test_a_form_sent_after_the_session_ended_leads_back_to_its_page(
    client: TestClient[Litestar],
) -> None:
    """By way of signing in anew."""
    page = f"/review/{UUID(int=1)}"
    answer = client.post(f"{page}/override", data={"label": "REAL", "note": "x"})
    assert f"/review/sign-in?next={quote(page, safe='')}" == answer.headers["location"]


def test_the_front_door_leads_to_the_inbox(client: TestClient[Litestar]) -> None:
    """``/`` is no page of its own."""
    assert "/review" == client.get("/").headers["location"]


def test_signing_in_leads_back_to_the_page_that_was_asked_for(
    client: TestClient[Litestar], key: Keys
) -> None:
    """With its filters, but to no other site's page."""
    for asked, led in [
        ("/review?q=a", "/review?q=a"),
        ("https://evil.example/", "/review"),
        ("//evil.example", "/review"),
        ("/review/..//evil.example\\", "/review"),
        ("/v1/escalations", "/review"),
    ]:
        form = {"who": "Ana", "key": key(), "next": asked}
        assert led == client.post("/review/sign-in", data=form).headers["location"]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"who": "Ana", "key": "dfe_nokey123_x"}, "unknown, revoked or expired"),
        ({"who": " ", "key": "dfe_nokey123_x"}, "Your name is empty"),
        ({"who": "Ana"}, "The key is empty"),
        ({"who": "A" * 101, "key": "x"}, "longer than 100"),
    ],
)
def test_a_wrong_key_or_name_is_told_on_the_page(
    client: TestClient[Litestar], form: dict[str, str], words: str
) -> None:
    """The form comes back with what is wrong, and no cookie."""
    answer = client.post("/review/sign-in", data=form)
    assert 422 == answer.status_code
    assert words in answer.text
    assert "set-cookie" not in answer.headers
    assert "dfe_nokey123_x" not in answer.text


def test_signing_out_ends_the_session(analyst: Analyst) -> None:
    """The cookie is worth nothing afterwards, even where a browser keeps it."""
    cookie = analyst.client.cookies["dfedge_session"]
    assert 303 == analyst.post("/review/sign-out").status_code
    analyst.client.cookies.set("dfedge_session", cookie)
    assert 303 == analyst.get("/review").status_code


def test_a_link_from_another_site_is_loaded_again_with_the_cookie(
    client: TestClient[Litestar],
) -> None:
    """A Strict cookie does not come with a link in a chat; the page then asks for itself."""
    answer = client.get("/review?q=a", headers={"Sec-Fetch-Site": "cross-site"})
    assert 200 == answer.status_code
    assert '<meta http-equiv="refresh" content="0; url=/review?q=a">' in answer.text


# Forms of others


@pytest.mark.parametrize("what", ["override", "feedback", "cancel", "delete"])
@pytest.mark.parametrize(
    ("token", "headers"),
    [("", {}), ("0" * 64, {}), (None, {"Origin": "https://evil.example"})],
    ids=["no token", "wrong token", "other site"],
)
def test_forms_without_the_token_or_from_elsewhere_change_nothing(
    analyst: Analyst, judged: Any, what: str, token: str | None, headers: dict[str, str]
) -> None:
    """They are refused, and the page stays as it was."""
    path = f"/review/{judged('clip.mp4', [0.9] * 4)}"
    form = {"csrf": analyst.csrf if token is None else token}
    form |= {"label": "REAL", "note": "x", "mistake": "correct"}
    answer = analyst.client.post(f"{path}/{what}", data=form, headers=headers)
    assert 403 == answer.status_code
    page = analyst.get(path).text
    assert "Looks fake" in page
    assert "Decided by a person" not in page


def test_an_upload_is_refused_before_its_file_without_the_token(analyst: Analyst) -> None:
    """The token comes first in the form; nothing is stored without it."""
    answer = analyst.client.post("/review/submit", files={"file": ("a.png", PNG)})
    assert 403 == answer.status_code
    assert "Nothing here yet" in analyst.get("/review").text


# Pages


def test_every_page_carries_the_strict_policy(analyst: Analyst, judged: Any) -> None:
    """Scripts and styles of this server only, in no frame, kept by no cache, errors included."""
    made = judged("clip.mp4", [0.9] * 4)
    for path in ("/review", f"/review/{made}", f"/review/{made}/delete", f"/review/{UUID(int=1)}"):
        answer = analyst.get(path)
        assert POLICY == answer.headers["content-security-policy"], path
        assert "no-store" == answer.headers["cache-control"]
        assert "nosniff" == answer.headers["x-content-type-options"]


def test_what_another_tenant_has_is_not_found(analyst: Analyst, judged: Any) -> None:
    """Neither in the list nor by its address, whatever is done to it."""
    theirs = judged("theirs.mp4", [0.9] * 4, tenant="others")
    assert "theirs.mp4" not in analyst.get("/review").text
    assert 404 == analyst.get(f"/review/{theirs}").status_code
    assert 404 == analyst.get(f"/review/{theirs}/verdict.json").status_code
    assert 404 == analyst.get(f"/review/{theirs}/delete").status_code
    form = {"label": "REAL", "note": "x", "mistake": "correct"}
    for what in ("override", "feedback", "cancel", "delete"):
        assert 404 == analyst.post(f"/review/{theirs}/{what}", **form).status_code


def test_a_name_is_text_and_never_markup(analyst: Analyst, judged: Any) -> None:
    """In the list, on the page, in its title, and in what a person writes."""
    hostile = "<script>alert(1)</script>\"'&.mp4"
    made = judged(hostile, [0.9] * 4)
    analyst.post(f"/review/{made}/override", label="REAL", note="<img src=x onerror=alert(1)>")
    for path in ("/review", f"/review/{made}", f"/review/{made}/delete", "/review?q=<script>"):
        text = analyst.get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)" in analyst.get(f"/review/{made}").text


def test_the_inbox_filters_by_name_label_and_person(analyst: Analyst, judged: Any) -> None:
    """Each filter alone and together; what does not fit says so."""
    fake, real = judged("fake.mp4", [0.9] * 4), judged("real.mp4", [0.1] * 4)
    analyst.post(f"/review/{real}/override", label="REAL", note="Seen.")

    def listed(query: str) -> set[str]:
        found = re.findall(r'class="row-link" href="/review/([\w-]+)"', analyst.get(query).text)
        return set(found)

    both = {str(fake), str(real)}
    assert both == listed("/review")
    assert {str(fake)} == listed("/review?q=FAKE")
    assert {str(real)} == listed("/review?label=REAL")
    assert {str(real)} == listed("/review?person=yes")
    assert {str(fake)} == listed("/review?person=no")
    assert both == listed("/review?state=done")
    assert set() == listed("/review?state=failed")
    assert "Nothing fits these filters" in analyst.get("/review?state=failed").text
    assert 422 == analyst.get("/review?label=MAYBE").status_code


def test_the_inbox_goes_on_to_older_ones(analyst: Analyst, judged: Any) -> None:
    """A page of 25, newest first, and a link to the rest that keeps the filters."""
    for number in range(27):
        judged(f"clip-{number:02}.mp4", [0.9])
    first = analyst.get("/review?q=clip").text
    assert first.index("clip-26") < first.index("clip-25")
    found = re.search(r'rel="next" href="([^"]+)"', first)
    assert found is not None
    assert "q=clip" in found[1]
    rest = analyst.get(found[1].replace("&amp;", "&")).text
    assert ["clip-01.mp4", "clip-00.mp4"] == re.findall(r"clip-\d\d\.mp4", rest)


# What an analyst does


def test_decisions_pile_up_with_who_and_why(analyst: Analyst, judged: Any) -> None:
    """The newest stands on top of the page, the models' verdict stays, all are in the history."""
    made = judged("clip.mp4", [0.9] * 4)
    for label, note in (("UNCERTAIN", "Asked the reporter."), ("REAL", "She has the original.")):
        answer = analyst.post(f"/review/{made}/override", label=label, note=note)
        assert f"/review/{made}#history" == answer.headers["location"]
    text = analyst.get(f"/review/{made}").text
    decided = text[text.index("Decided by a person") : text.index("What the models say")]
    assert '<p class="headline">Real</p>' in decided
    assert "She has the original." in decided
    assert "Looks fake" in text
    history = text[text.index('id="history"') :]
    assert history.index("She has the original.") < history.index("Asked the reporter.")
    assert 2 == history.count("<b>Ana</b>")


def test_a_decision_needs_a_reason(analyst: Analyst, judged: Any) -> None:
    """Without one nothing is recorded, and what was chosen is still chosen."""
    made = judged("clip.mp4", [0.9] * 4)
    answer = analyst.post(f"/review/{made}/override", label="REAL", note="  ")
    assert 422 == answer.status_code
    assert "The reason is empty" in answer.text
    assert 'value="REAL" required checked' in answer.text
    assert "Decided by a person" not in analyst.get(f"/review/{made}").text


def test_feedback_is_shown_to_the_next_analyst(analyst: Analyst, judged: Any) -> None:
    """Which kind of mistake, and the note."""
    made = judged("clip.mp4", [0.9] * 4)
    analyst.post(f"/review/{made}/feedback", mistake="false_alarm", note="A filter.")
    text = analyst.get(f"/review/{made}").text
    assert "False alarm: it is genuine: A filter." in text
    assert 422 == analyst.post(f"/review/{made}/feedback", mistake="boring").status_code


def test_deleting_asks_first(analyst: Analyst, judged: Any) -> None:
    """Opening the question deletes nothing; saying yes does."""
    made = judged("clip.mp4", [0.9] * 4)
    assert "Delete this for good?" in analyst.get(f"/review/{made}/delete").text
    assert 200 == analyst.get(f"/review/{made}").status_code
    assert "/review" == analyst.post(f"/review/{made}/delete").headers["location"]
    assert 404 == analyst.get(f"/review/{made}").status_code


def test_the_json_is_a_file_to_download(analyst: Analyst, judged: Any) -> None:
    """Indented, and named after the escalation."""
    made = judged("clip.mp4", [0.9] * 4)
    answer = analyst.get(f"/review/{made}/verdict.json")
    assert f'attachment; filename="dfedge-{made}.json"' == answer.headers["content-disposition"]
    assert "FAKE" == answer.json()["verdict"]["label"]


def test_a_key_that_only_reads_decides_but_neither_submits_nor_deletes(
    client: TestClient[Litestar], key: Keys, judged: Any
) -> None:
    """The pages offer what the key may do, and refuse the rest."""
    reader = sign_in(client, key(Scope.READ))
    made = judged("clip.mp4", [0.9] * 4)
    assert "Have something judged" not in reader.get("/review").text
    assert "Delete" not in reader.get(f"/review/{made}").text
    assert 303 == reader.post(f"/review/{made}/override", label="REAL", note="x").status_code
    assert 403 == reader.post(f"/review/{made}/delete").status_code
    assert 403 == reader.post("/review/fetch", url="https://example.org/a.mp4").status_code


def test_a_device_key_cannot_read_the_inbox(client: TestClient[Litestar], key: Keys) -> None:
    """It may sign in but sees nothing of others."""
    secret = key(Scope.ESCALATE)
    client.post("/review/sign-in", data={"who": "Ana", "key": secret})
    assert 403 == client.get("/review").status_code


# Submitting


def test_a_plain_form_uploads_and_leads_to_its_page(analyst: Analyst) -> None:
    """Without any script: the file, then the page that watches it."""
    answer = analyst.client.post(
        "/review/submit", data={"csrf": analyst.csrf}, files={"file": ("C:\\my\\a.png", PNG)}
    )
    assert 303 == answer.status_code
    text = analyst.get(answer.headers["location"]).text
    assert '<h1><bdi dir="ltr">a.png</bdi></h1>' in text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in text
    assert "Waiting for its turn" in text


def test_the_script_gets_the_address_of_the_new_page(analyst: Analyst) -> None:
    """And problem details when it is refused."""
    headers = {"Accept": "application/json"}
    data = {"csrf": analyst.csrf}
    taken = analyst.client.post(
        "/review/submit", data=data, files={"file": ("a.png", PNG)}, headers=headers
    )
    assert (201, True) == (taken.status_code, taken.json()["href"].startswith("/review/"))
    refused = analyst.client.post(
        "/review/submit", data=data, files={"file": ("a.pdf", b"%PDF-1.7 ...")}, headers=headers
    )
    assert (415, "media_unsupported") == (refused.status_code, refused.json()["code"])


def test_an_upload_over_the_limit_is_refused_and_nothing_is_left(
    own_settings: Settings, tmp_path: Path
) -> None:
    """The page says so, and no blob remains."""
    small = with_settings(own_settings, max_upload_bytes=2000, storage_url=str(tmp_path))
    with TestClient(create_app(small)) as client:
        client.follow_redirects = False
        analyst = sign_in(client, new_key(small).secret)
        answer = client.post(
            "/review/submit", data={"csrf": analyst.csrf}, files={"file": ("a.png", PNG * 30)}
        )
        assert 413 == answer.status_code
        assert "Nothing here yet" in analyst.get("/review").text
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_address_is_taken_and_named_after_its_file(analyst: Analyst) -> None:
    """Without what stands behind the question mark, which may be a secret."""
    answer = analyst.post("/review/fetch", url="https://example.org/a/clip.mp4?token=secret")
    text = analyst.get(answer.headers["location"]).text
    assert '<h1><bdi dir="ltr">clip.mp4</bdi></h1>' in text
    assert 422 == analyst.post("/review/fetch", url="file:///etc/passwd").status_code


def test_cancelling_ends_the_wait(analyst: Analyst) -> None:
    """The page says that it was cancelled, and shows no number."""
    answer = analyst.client.post(
        "/review/submit", data={"csrf": analyst.csrf}, files={"file": ("a.png", PNG)}
    )
    path = answer.headers["location"]
    assert 303 == analyst.post(f"{path}/cancel").status_code
    text = analyst.get(path).text
    assert "Cancelled" in text
    assert "no number stands for one" in text
