"""scripts/run_tests.py: what the closing line counts."""
import importlib.util
import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("run_tests", ROOT / "scripts" / "run_tests.py")
run_tests = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(run_tests)

CMOCKA = """\
1..3
ok 1 - first wait is the base
not ok 2 # SKIP needs ../shared
not ok 3 - a bad request stays bad
# 0x1 != 0x2
# not ok - retry
"""
BUSTED = """\
ok 1 - sweep is lazy
ok 2 - # SKIP sweep later
not ok 3 - sweep fails
# Failure message: no
1..3
"""


@pytest.mark.parametrize("output, status, passed, failed, skipped", [
    (CMOCKA, 1, 1, 1, 1),
    (BUSTED, 1, 1, 1, 1),
    (CMOCKA + CMOCKA, 2, 2, 2, 2),
    ("1..4\nok 1 - a\n", 139, 1, 3, 0),             # died in the second case
    ("1..1\nok 1 - a\n", 99, 1, 1, 0),              # a leak found at exit
    ("1..0\n", 0, 0, 0, 0),
    ("no plan\n", 0, 1, 0, 0),
    ("no plan\n", -11, 0, 1, 0),
    ("no plan\n", None, 0, 1, 0),                   # stopped for taking too long
])
def test_tap_is_counted_by_case(output, status, passed, failed, skipped):
    assert run_tests.count_tap(output, status) == run_tests.Counts(passed, failed, skipped)


def test_junit_is_counted_by_case(tmp_path):
    tests = tmp_path / "test_sample.py"
    tests.write_text(textwrap.dedent("""\
        import pytest
        def test_passes(): pass
        def test_fails(): assert False
        def test_is_skipped(): pytest.skip("no")
        @pytest.fixture
        def broken(): raise RuntimeError
        def test_has_a_broken_fixture(broken): pass
    """))
    report = tmp_path / "report.xml"
    status = subprocess.run([sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", tests],
                            cwd=tmp_path, capture_output=True, check=False).returncode
    assert run_tests.count_junit(report, status) == run_tests.Counts(1, 2, 1)


def test_a_missing_junit_report_is_a_failure(tmp_path):
    assert run_tests.count_junit(tmp_path / "none.xml", 1) == run_tests.Counts(0, 1, 0)
    (tmp_path / "cut.xml").write_text("<testsuites><testsu")
    assert run_tests.count_junit(tmp_path / "cut.xml", 0) == run_tests.Counts(0, 1, 0)


def test_no_test_chosen_counts_nothing(tmp_path):
    assert run_tests.count_junit(tmp_path / "none.xml", 5) == run_tests.Counts()


def test_a_program_that_hangs_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(run_tests, "LOGS", tmp_path)
    monkeypatch.setitem(run_tests.LIMITS_S, "unit", 0.2)
    job = run_tests.Job(run_tests.VARIANTS[0], "unit", "hang", ["sleep", "60"])
    counts, output, _ = run_tests.run_job(job)
    assert counts == run_tests.Counts(0, 1, 0)
    assert "stopped after" in output
