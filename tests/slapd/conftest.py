"""Fixtures of the black-box tests."""

import pytest

from harness import Slapd, make_pki


@pytest.fixture
def make_slapd():
    """make_slapd(...) starts a Slapd that ends with the test, and whose log is checked then."""
    made = []

    def make(*args, **kw):
        made.append(Slapd(*args, **kw))
        return made[-1]

    yield make
    problems = []
    for s in reversed(made):
        try:
            s.close()
        except AssertionError as error:
            problems.append(str(error))
    assert not problems, "\n".join(problems)


@pytest.fixture
def slapd(make_slapd):
    """The usual one: slapd.conf, our overlay, memberOf kept."""
    return make_slapd()


@pytest.fixture
def pki(tmp_path):
    """Certificates of a receiver and of its client, by an authority of their own."""
    make_pki(tmp_path / "pki")
    return tmp_path / "pki"


@pytest.fixture(params=["conf", "config"])
def style(request):
    """Both forms of configuration."""
    return request.param


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of each slapd's log."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for value in item.funcargs.values():
            if isinstance(value, Slapd) and value.log_file.exists():  # not closed and removed
                report.sections.append(("slapd log", value.log()[-4000:]))
