"""Lists what a run of CTest skipped, with the reasons: of whole tests, and inside tests that passed.

    ctest --output-junit FILE --test-output-size-passed 1000000 ...
    python skipped.py FILE

A test says what it skips in a line that begins with "skipped:"; pytest -rs says it in lines that
begin with "SKIPPED [". Prints "nothing was skipped" or the number and a line per reason.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree

# pytest: SKIPPED [3] tests/python/test_x.py:12: reason
PYTEST = re.compile(r"^SKIPPED \[(\d+)\] (\S+?): (.*)$")


def skips(path):
    """Yields (name, number of tests, reason) of each skip in a JUnit file that CTest wrote."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name, output = case.get("name"), case.findtext("system-out") or ""
        lines = [line.strip() for line in output.splitlines()]
        reasons = [line[len("skipped:"):].strip() for line in lines if line.startswith("skipped:")]
        found = [PYTEST.match(line) for line in lines]
        if case.find("skipped") is not None:
            yield name, 1, "; ".join(reasons) or "without a reason"
            continue
        for reason in reasons:
            yield name + ", in part", 1, reason
        for match in filter(None, found):
            yield f"{name}, {match[2]}", int(match[1]), match[3]


def main(path):
    found = list(skips(path))
    if not found:
        print("nothing was skipped")
        return
    print(f"skipped: {sum(number for _, number, _ in found)}")
    for name, number, reason in found:
        print(f"  {name}{f' ({number} tests)' if number > 1 else ''}: {reason}")


if __name__ == "__main__":
    main(sys.argv[1])
