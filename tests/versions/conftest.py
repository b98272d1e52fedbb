"""The tests of versions use the harness of tests/slapd."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "slapd"))
