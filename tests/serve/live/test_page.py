"""The live page of a real gateway in a real browser, and its data without one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from gateways import Gateway
from londi.config.serve import GatewayConfig, UpstreamConfig
from londi.errors import DamagedFile, InvalidConfig
from londi.serve.gateway import hash_key, make_app
from upstream import Upstream

ASKED: Any = {"model": "londi", "messages": [{"role": "user", "content": "a word of mine"}]}
EVIL = '<script>document.title="gone"</script>'
KEYS = {"ann": hash_key("ann's key"), "bob": hash_key("bob's key")}
SIZES = [{"width": 1280, "height": 900}, {"width": 390, "height": 844}]

Make = Callable[..., Gateway]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def make(tmp_path: Path, upstream: Upstream) -> Make:
    """Makes a gateway with traces, prices and budgets, and other settings."""

    def made(**changes: Any) -> Gateway:
        values: dict[str, Any] = {
            name: {"model": model, "base_url": upstream.url, "price": price}
            for name, model, price in (
                ("quick", "small", {"input": 1.0, "output": 1.0}),
                ("deepthink", "large", {"input": 10.0, "output": 10.0}),
            )
        }
        values |= {"traces": str(tmp_path / "traces.db"), "keep_texts": True}
        values |= {"day_budget": {"calls": 10}, "budget": {"calls": 2}}
        return Gateway(tmp_path, upstream.url, **values | changes)

    return made


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page; whatever it asks of another host, or complains of, fails the test.

    A browser complains of each answer with 401, so that one is let pass where the test says so.
    """
    trouble: list[str] = []
    pages: list[Page] = []

    def opening(address: str, wrong_key: bool = False, **look: Any) -> Page:
        page = browser.new_page(**look)
        pages.append(page)

        def complained(text: str) -> None:
            if not (wrong_key and "401 (Unauthorized)" in text):
                trouble.append(text)

        page.on("console", lambda message: complained(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on(
            "request",
            lambda asked: None if asked.url.startswith(address) else trouble.append(asked.url),
        )
        page.goto(address)
        return page

    yield opening
    for page in pages:
        page.close()
    assert trouble == []


def ask(gateway: Gateway, session: str, key: str = "") -> None:
    headers = {"x-londi-session": session} | ({"authorization": f"Bearer {key}"} if key else {})
    assert httpx2.post(f"{gateway.url}/chat/completions", json=ASKED, headers=headers).is_success


def root(gateway: Gateway) -> str:
    return gateway.url.removesuffix("/v1") + "/"


def data(gateway: Gateway, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.get(f"{root(gateway)}live.json", headers=named)


def settled(gateway: Gateway, steps: int, **headers: str) -> Any:
    """The data, once they have so many decisions."""
    for _ in range(100):
        found = data(gateway, **headers).json()
        if len(found["traces"]["decisions"]) == steps:
            return found
        time.sleep(0.1)
    raise AssertionError(found)


@pytest.mark.parametrize("size", SIZES, ids=["desktop", "phone"])
def test_the_page_shows_what_passes_and_goes_on_by_itself(
    make: Make, opened: Callable[..., Page], size: dict[str, int]
) -> None:
    with make() as gateway:
        for _ in range(3):
            ask(gateway, EVIL)
        settled(gateway, 3)
        page = opened(root(gateway), viewport=size)
        rows = page.locator("#decisions tbody tr")
        expect(rows).to_have_count(3)
        assert [row.get_attribute("data-place") for row in rows.all()] == ["3", "2", "1"]
        expect(rows.nth(0)).to_contain_text(EVIL)
        expect(rows.nth(0)).to_contain_text("budget")
        assert page.locator("main script").count() == 0 and "londi" in page.title()
        expect(page.locator("#headline")).to_contain_text("66.7%")
        # 1,050 tokens at 10 a million twice, and once at 1.
        expect(page.locator("#headline")).to_contain_text("$0.0221")
        expect(page.locator("#spent")).to_contain_text("2 of 10 calls")
        expect(page.locator("#spent")).to_contain_text("2 of 2 calls")
        expect(page.locator("#requests title").last).to_contain_text("large 2, small 1")
        expect(page.locator("#saving")).to_contain_text("no control group")
        assert "a word of mine" not in page.content()
        ask(gateway, "another")
        expect(rows).to_have_count(4)
        expect(rows.nth(0)).to_contain_text("another")
        expect(page.locator("#spent")).to_contain_text("3 of 10 calls")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        for name in ("h1", "#decisions td", "#requests text"):
            pixels = page.locator(name).first.evaluate(
                "e => parseFloat(getComputedStyle(e).fontSize)"
            )
            assert pixels >= 12, name


def test_a_key_is_asked_for_and_kept_in_the_tab_alone(
    make: Make, opened: Callable[..., Page]
) -> None:
    with make(clients=KEYS, client_budget={"calls": 9}) as gateway:
        ask(gateway, "mine", "ann's key")
        ask(gateway, "secret", "bob's key")
        settled(gateway, 2, authorization="Bearer ann's key")
        page = opened(root(gateway), wrong_key=True, viewport=SIZES[1])
        expect(page.locator("#ask")).to_be_visible()
        expect(page.locator("#all")).to_be_hidden()
        page.fill("#key", "no key")
        page.click("#ask button")
        expect(page.locator("#wrong")).to_have_text("The gateway does not know this key.")
        expect(page.locator("#all")).to_be_hidden()
        page.fill("#key", "ann's key")
        page.keyboard.press("Enter")
        expect(page.locator("#ask")).to_be_hidden()
        decisions = page.locator("#decisions")
        expect(decisions).to_contain_text("ann/mine")
        expect(decisions).to_contain_text(re.compile("bob/#[0-9a-f]{8}"))
        assert "secret" not in page.content()
        expect(page.locator("#spent")).to_contain_text("client ann")
        assert "client bob" not in page.content()
        page.reload()
        expect(decisions).to_contain_text("ann/mine")
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]


def test_without_traces_it_says_how_to_get_them(make: Make, opened: Callable[..., Page]) -> None:
    with make(traces="", keep_texts=False) as gateway:
        ask(gateway, "mine")
        page = opened(root(gateway))
        expect(page.locator("#missing")).to_contain_text("traces: traces.db")
        expect(page.locator("#answers")).to_contain_text("large")
        expect(page.locator("#spent")).to_contain_text("1 of 10 calls")
        expect(page.locator("#decisions-part")).to_be_hidden()


def test_by_night_it_is_dark(make: Make, opened: Callable[..., Page]) -> None:
    behind = "getComputedStyle(document.body).backgroundColor"
    with make() as gateway:
        day, night = (opened(root(gateway), color_scheme=s) for s in ("light", "dark"))
        assert day.evaluate(behind) != night.evaluate(behind)


def test_the_data_are_for_this_machine_or_a_key(make: Make) -> None:
    with make() as gateway:
        assert data(gateway).status_code == 200
        assert data(gateway, origin="https://elsewhere.org").status_code == 403
        assert data(gateway, sec_fetch_site="cross-site").status_code == 403
        assert data(gateway, host="elsewhere.org:8080").status_code == 403
        assert data(gateway, host="localhost:8080").status_code == 200
        assert httpx2.post(f"{root(gateway)}live.json").status_code == 405
    with make(clients=KEYS) as gateway:
        for headers in ({}, {"authorization": "Bearer bob"}):
            refused = data(gateway, **headers)
            assert refused.status_code == 401 and "traces" not in refused.json()
        assert data(gateway, authorization="Bearer bob's key").status_code == 200
        assert data(gateway, x_api_key="bob's key", host="mine.org").status_code == 200


def test_the_page_can_load_and_run_nothing_else(make: Make) -> None:
    with make(clients=KEYS) as gateway:
        answer = httpx2.get(root(gateway))
    assert answer.status_code == 200 and KEYS["ann"] not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and answer.headers["cache-control"] == "no-store"
    assert not re.search(r"""(src|href)=["'](?!data:,)""", answer.text)


def test_traces_that_cannot_be_read_are_said_to_be_so(make: Make, tmp_path: Path) -> None:
    with make() as gateway:
        (tmp_path / "traces.db").rename(tmp_path / "moved.db")
        found = data(gateway).json()
        assert found["traces"] is None and "cannot be read" in found["problem"]
        ask(gateway, "mine")  # answers go on


def test_an_estimate_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    one, other = (UpstreamConfig(name, "http://127.0.0.1:1") for name in ("small", "large"))
    files = {"traces": str(tmp_path / "traces.db"), "estimate": str(tmp_path / "estimate.json")}
    with pytest.raises(DamagedFile, match=r"estimate\.json"):
        make_app(GatewayConfig(one, other, "always-quick", **files))
    assert not list(tmp_path.iterdir())
    with pytest.raises(InvalidConfig, match="expected traces"):
        GatewayConfig(one, other, "always-quick", estimate="estimate.json")
