"""Changes of the configuration under writers (changing.py), and slapd with the sanitizers (make check-asan)."""

import os

from changing import SETUP, change_under_writers
from harness import Slapd
from test_random import reports

SECONDS = int(os.environ.get("PROV_ASAN_SECONDS", "20"))


def test_everything_agrees_after_changes_of_the_configuration_under_writers():
    with Slapd(**SETUP) as s:
        s.expect_log("provision: ", "ASAN|UBSAN")
        change_under_writers(s, SECONDS)
        assert not reports(s), reports(s)[0]
        s.stop()
        assert not reports(s), reports(s)[0]
        s.provctl_offline("audit", "verify", check=0)
