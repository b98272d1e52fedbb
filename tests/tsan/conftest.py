"""The tests with the thread sanitizer use the harness of tests/slapd, and those who write in tests/crash and tests/asan."""

import sys
from pathlib import Path

for folder in ("asan", "crash", "slapd"):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / folder))
