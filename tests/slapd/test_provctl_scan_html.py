"""The page of provctl scan --html, in a real browser: it sorts and filters, and hostile values do nothing."""

import re

import pytest

from browser import Browser
from test_provctl_scan import s  # noqa: F401 (a fixture)
from test_provctl_scan_out import form, join

RUN = "window.ran=1;document.title='ran'"
HOSTILE = [f"<script>{RUN}</script>", f"\"><img src=x onerror=\"{RUN}\">", f"'><svg/onload={RUN}>", f"</td></table><script>{RUN}",
           f"--><script>{RUN}</script>", f"javascript:{RUN}", "</script></style><h1>x</h1>", f"${{{RUN}}}", "&lt;b&gt;&#60;",
           "\u202egnp.exe\u2066", "<base href=//x><meta http-equiv=refresh content=0>", f"<iframe srcdoc='<script>{RUN}</script>'>",
           "a\x00b".replace("\x00", "\\00"), "\x1b[2J\r\n\t", "</title>", "uid=\u0645\u062d\u0645\u062f,ou=\u05d0"]
LONG = ",".join(f"ou={'long' * 12}{i}" for i in range(200))  # 10 kB
SOLID = "x" * 10_000


@pytest.fixture
def browser(tmp_path):
    open_ones = []

    def make(**kw):
        open_ones.append(Browser(tmp_path, **kw))
        return open_ones[-1]

    yield make
    for b in open_ones:
        b.close()


def column(b, table, n):
    return b.run("return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map(r => "
                 "r.cells[arguments[1]].textContent)", table, n)


def visible(b, selector):
    return b.run("return [...document.querySelectorAll(arguments[0])].filter(e => e.offsetParent).length", selector)


def quiet(b):
    assert b.console() == [], "nothing was refused, and nothing failed"


def test_a_click_sorts_and_a_word_filters(s, tmp_path, browser):
    join(s, "zoë", "ada", "bob")
    s.admin.modify(s.group_dn("book club"), add={"member": s.person_dn("ghost")})
    page = tmp_path / "scan.html"
    s.provctl("scan", "--html", page, check=1)
    b = browser()
    b.open(page)
    assert b.run("return document.title") == f"Scan of {s.suffix}"
    assert [x.strip() for x in column(b, "findings", 0)] == ["medium"] * 3 + ["low"], "the worst first"
    before = column(b, "findings", 2)
    b.click("#findings th:nth-child(3) button")
    assert b.run("return document.querySelector('#findings th:nth-child(3)').ariaSort") == "ascending"
    up = column(b, "findings", 2)
    assert [re.match(r"(?:uid|cn)=(\w+)", x)[1][:3] for x in up] == ["boo", "ada", "bob", "zo" + up[-1][6]] and up != before[::-1]
    b.click("#findings th:nth-child(3) button")
    assert column(b, "findings", 2) == up[::-1]
    b.click("#findings th:nth-child(1) button")
    assert [x.strip() for x in column(b, "findings", 0)] == ["low"] + ["medium"] * 3, "by how bad it is, not by the letter"
    assert b.run("return document.querySelectorAll('[aria-sort]').length") == 1
    b.click("#scorecard th:nth-child(1) button")
    assert [float(x) for x in column(b, "scorecard", 0)] == [5, 30, 30, 30]
    b.type("#filter", "GHOST")
    assert visible(b, "#findings tbody tr") == 1
    quiet(b)
    assert b.run("return performance.getEntriesByType('resource').length") == 0, "it loads nothing"
    figures = b.run("return [...document.querySelectorAll('svg text')].map(t => t.textContent)")
    assert figures[:4] == ["UNEXPLAINED", "3", "DANGLING_MEMBER", "1"]


@pytest.mark.parametrize("width, dark", [(1400, False), (1400, True), (500, False)])
def test_hostile_values_neither_run_nor_break_the_page(tmp_path, browser, width, dark):
    found = [{"id": "DORMANT", "dn": v, "uid": v, "related": v, "text": v, "fix": v, "ldif": f"dn: {v}\nx: {v}\n"}
             for v in HOSTILE]
    found += [{"id": "LEAVER_ACTIVE", "dn": v, "text": v, "fix": v, "related": v} for v in (LONG, SOLID)]
    page = tmp_path / "scan.html"
    page.write_text(form("html", *found))
    b = browser(width=width, dark=dark)
    b.open(page)
    assert b.run("return document.title") == "Scan of dc=example" and not b.run("return 'ran' in window")
    quiet(b)
    assert len(column(b, "findings", 0)) == len(found) and b.run("return document.querySelectorAll('h1').length") == 1
    assert b.run("return document.querySelectorAll('img,iframe,base,object,link,meta[http-equiv=refresh]').length") == 0
    # no wider than the window, no row that hides the others, and every value to be seen
    assert b.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    highest = b.run("return Math.max(...[...document.querySelectorAll('tbody tr')].map(r => r.offsetHeight))")
    assert 20 < highest < (320 if width > 1000 else 900)
    seen = column(b, "findings", 2)
    assert seen[0] == LONG or seen[1] == LONG
    assert f"<script>{RUN}</script>" in seen and "&lt;b&gt;&#60;" in seen and not any("\u202e" in x for x in seen)
    dark_now = b.run("const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g); return r < 128")
    assert dark_now == dark
    b.click("#findings th:nth-child(4) button" if width > 1000 else "#findings details summary")
    quiet(b)
    b.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 20_000


def test_without_its_own_escaping_the_policy_still_stops_a_script(tmp_path, browser):
    """The second wall, and a proof that the test above would see a script that runs."""
    page = form("html", {"id": "DORMANT", "dn": "HERE"})
    attack = f"<script>{RUN}</script><img src=x onerror=\"{RUN}\"><b onclick=1 style='color:red'>x</b>"
    b = browser()
    for text, ran in ((page, False), (re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", page), True)):
        file = tmp_path / f"{ran}.html"
        file.write_text(text.replace("HERE", attack))
        b.open(file)
        assert b.run("return 'ran' in window") == ran
        assert any("Content Security Policy" in m for m in b.console()) != ran
    b.open(tmp_path / "False.html")
    assert visible(b, "#findings th button") == 7, "its own script ran"


def test_it_prints_on_few_pages_with_its_heads(tmp_path, browser):
    found = [{"id": "UNEXPLAINED", "dn": f"uid=user{i},ou=people,dc=example,dc=com"} for i in range(60)]
    page = tmp_path / "scan.html"
    page.write_text(form("html", *found, {"id": "DORMANT", "dn": LONG, "text": SOLID}))
    b = browser()
    b.open(page)
    b.pdf(tmp_path / "scan.pdf")
    pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "scan.pdf").read_bytes()))
    assert 3 <= pages <= 12, "a long name takes no pages of its own"


def test_a_page_of_many_findings_has_the_worst(tmp_path, browser):
    page = tmp_path / "scan.html"
    page.write_text(form("html", *({"id": "INCOMPLETE", "dn": f"uid=u{i}"} for i in range(6000)), {"id": "LEAVER_ACTIVE", "dn": "uid=bad"}))
    b = browser()
    b.open(page)
    rows = column(b, "findings", 2)
    assert len(rows) == 5000 and rows[0] == "uid=bad"
    assert "The first 5000 of 6001" in b.run("return document.body.textContent")
    quiet(b)
