# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of a file with pytest. Exits with 77 where it is absent, or what all of these tests need."""
import sys

try:
    import pytest
except ImportError:
    print("skipped: python3-pytest is not installed")
    sys.exit(77)

status = pytest.main(["-q", "-rs", "-p", "no:cacheprovider", *sys.argv[1:]])
sys.exit(77 if status == pytest.ExitCode.NO_TESTS_COLLECTED else status)
