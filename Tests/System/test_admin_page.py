"""The page of the admin side, in a browser: live, on a wide screen and on a phone, light and dark."""

import re

import pytest

from support import wait
from support.administration import Administration
from support.chromium import Browser, Gate

LIVE = "document.querySelector('#live').dataset.live"
ROWS = "document.querySelectorAll('{} tbody tr').length"
TEXTS = "Array.from(document.querySelectorAll('{}'), (node) => node.textContent)"


@pytest.fixture
def admin(short_path):
    return Administration(short_path / "admin.sock")


@pytest.fixture
def look(admin, tmp_path):
    """Opens the page; the gate is between the browser and the server."""
    with Gate(admin.path) as gate, Browser(tmp_path / "browser") as browser:
        def opened(width=1360, height=1000, scheme="light"):
            page = browser.open("about:blank")
            page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            page.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                         mobile=width < 500)
            page.command("Page.navigate", url=gate.url)
            page.wait_for(LIVE, "live")
            return page
        yield opened, gate


@pytest.fixture
def server(gateway, admin):
    server = gateway("contract:app", "-k", "threads", "--threads", 1, "-w", 2, "--limit-request-line", 8190,
                     *admin.flags)
    admin.wait_until_there()
    return server


def test_page_shows_the_server_live_and_clients_as_text(server, admin, look):
    opened, _ = look
    page = opened()
    page.wait_for(ROWS.format("#workers"), 2)
    page.wait_for("document.querySelector('#application').textContent", "contract:app")
    page.wait_for("document.querySelector('#state').textContent", "serving")
    markup = "/sleep?seconds=20&x='%3Cimg%20src=x%20onerror=document.title=1%3E'&" + "y" * 5000
    with server.connect() as wire:
        wire.request("GET", markup)
        page.wait_for(ROWS.format("#slowest"), 1)
        (text,) = page.value(TEXTS.format("#slowest .request"))
        assert ("GET " + markup).startswith(text.rstrip("…")) and len(text) > 100
        # Whoever works without a mouse opens the table by key, and closes it.
        index = page.value("Array.from(document.querySelectorAll('#workers tbody tr'))"
                           ".findIndex((row) => row.querySelector('.request').textContent !== '')")
        page.value(f"document.querySelectorAll('#workers button[data-kind=connections]')[{index}].focus()")
        page.press_enter()
        page.wait_for(ROWS.format("#connections"), 1)
        assert page.value("document.activeElement.id") == "detail"
        assert page.value("document.querySelectorAll('#connections img, #slowest img, #workers img').length") == 0
        page.type("#filter-text", "no such path")
        page.wait_for(ROWS.format("#connections"), 0)
        page.type("#filter-text", "SLEEP")
        page.wait_for(ROWS.format("#connections"), 1)
        page.value(f"document.querySelectorAll('#workers button[data-kind=stacks]')[{index}].click()")
        page.wait_for("Array.from(document.querySelectorAll('#stacks pre'), (one) => one.textContent)"
                      ".some((text) => text.includes('sleep'))")
        page.value(f"document.querySelectorAll('#workers button[data-kind=connections]')[{index}].click()")
        page.wait_for(ROWS.format("#connections"), 1)
        page.value("document.querySelector('#close').focus()")
        page.press_enter()
        page.wait_for("document.querySelector('#detail').hidden")
        assert page.value("document.activeElement.dataset.kind") == "connections"
    assert page.value("document.title") == "contract:app"
    before = page.value(TEXTS.format("#workers tbody th"))
    wait.until(lambda: admin.status()["workers"][0]["state"] == "ready", "it is ready")
    server.signal(1)
    page.wait_for("document.querySelectorAll('#restarts li').length", 2)
    assert page.value(TEXTS.format("#restarts .chip")) == ["reload", "reload"]
    page.wait_for(ROWS.format("#workers"), 2)
    assert page.value(TEXTS.format("#workers tbody th")) != before


def test_page_says_when_the_server_is_lost_and_goes_on_when_it_is_back(server, look):
    opened, gate = look
    page = opened()
    page.wait_for(ROWS.format("#workers"), 2)
    gate.shut()
    page.wait_for(LIVE, "lost")
    assert page.value("document.querySelector('#lost').hidden") is False
    assert page.value(ROWS.format("#workers")) == 2
    gate.open()
    page.wait_for(LIVE, "live")
    assert page.value("document.querySelector('#lost').hidden") is True


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
def test_page_fits(server, look, width, scheme):
    opened, _ = look
    with server.connect() as wire:
        wire.request("GET", "/sleep?seconds=20&" + "y" * 5000)
        page = opened(width, scheme=scheme)
        page.wait_for(ROWS.format("#slowest"), 1)
        page.value("document.querySelectorAll('#workers button[data-kind=connections]').forEach((one) => one.click())")
        assert page.value("document.documentElement.scrollWidth <= window.innerWidth")
        red, green, blue = map(int, re.findall(r"\d+", page.value("getComputedStyle(document.body).backgroundColor")))
        assert (red + green + blue > 600) == (scheme == "light")
        assert page.value("getComputedStyle(document.querySelector('#workers thead')).position") == (
            "static" if width > 500 else "absolute")


def test_page_is_of_one_piece_and_the_browser_is_told_so(server, admin):
    for path, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")):
        answer = admin.ask(path)
        assert answer.status == 200 and answer.get("content-type") == f"{kind}; charset=utf-8"
        policy = answer.get("content-security-policy")
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.get("x-content-type-options") == "nosniff"
        assert not re.search(rb"https?://", answer.body)
        assert not re.search(rb"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", answer.body)
