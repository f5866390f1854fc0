"""The summary of what a run of CTest skipped."""
import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).resolve().parents[1]/"skipped.py"
FILE = """<?xml version="1.0"?>
<testsuite tests="4">
  <testcase name="engine.good" status="run"><system-out>engine.good: 5 checks</system-out></testcase>
  <testcase name="engine.golden" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
    <system-out>skipped: no golden data</system-out></testcase>
  <testcase name="shim" status="run"><system-out>one
skipped: the student is not there
shim: 3 checks</system-out></testcase>
  <testcase name="python" status="run"><system-out>....
SKIPPED [2] tests/python/test_openmmml.py:9: could not import 'openmmml': no module
5 passed, 2 skipped</system-out></testcase>
</testsuite>
"""


def summary(folder, text):
    (folder/"tests.xml").write_text(text)
    return subprocess.run([sys.executable, SCRIPT, folder/"tests.xml"], check=True,
                          capture_output=True, text=True).stdout


def test_every_skip_is_named(tmp_path):
    assert summary(tmp_path, FILE).splitlines() == [
        "skipped: 4",
        "  engine.golden: no golden data",
        "  shim, in part: the student is not there",
        "  python, tests/python/test_openmmml.py:9 (2 tests): could not import 'openmmml': no module"]


def test_nothing_skipped(tmp_path):
    begin, end = FILE.index("  <testcase name=\"engine.golden"), FILE.index("</testsuite>")
    assert summary(tmp_path, FILE[:begin] + FILE[end:]) == "nothing was skipped\n"
