"""A pytest plugin for `make accept`: PASS, PART, FAIL or SKIP for every line of the acceptance list, by number.

A test names its line with `@pytest.mark.accept(n)`. A line passes when it has tests and all of them passed; a skipped
test makes its line SKIP with the test's reason. A line without a test is SKIP with the reason below, or FAIL when none
is stated.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator

import pytest

LINES = 43
WITHOUT_TEST = {
    32: "comes with the cloud switch",
    **dict.fromkeys((29, 30, 39, 40, 41, 42, 43), "comes with the release work"),
}
# What a line asks for beyond the tests that it has: it is PART, never PASS, until that is there as well.
STILL_OPEN = {
    28: "keys of cloud providers",
    31: "cloud and update actions",
    34: "chats at twenty moments instead of one",
}


class AcceptReport:
    """Collects each marked test's outcome and prints the table at the end."""

    def __init__(self) -> None:
        self.line_of: dict[str, list[int]] = {}
        self.outcomes: dict[int, list[tuple[str, str, str]]] = defaultdict(list)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            self.line_of[item.nodeid] = [mark.args[0] for mark in item.iter_markers("accept")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            for line in self.line_of.get(report.nodeid, []):
                self.outcomes[line].append((report.outcome, report.nodeid, reason))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("acceptance list")
        for text in self.table():
            terminalreporter.write_line(text)

    def table(self) -> Iterator[str]:
        for line in range(1, LINES + 1):
            results = self.outcomes.get(line, [])
            failed = [node for outcome, node, _ in results if outcome == "failed"]
            skipped = [reason for outcome, _, reason in results if outcome == "skipped"]
            if failed:
                yield f"{line:2} FAIL  {', '.join(failed)}"
            elif skipped:
                yield f"{line:2} SKIP  {skipped[0].removeprefix('Skipped: ')}"
            elif results and line in STILL_OPEN:
                yield f"{line:2} PART  {len(results)} tests passed; still to come: {STILL_OPEN[line]}"
            elif results:
                yield f"{line:2} PASS  {len(results)} tests"
            elif line in WITHOUT_TEST:
                yield f"{line:2} SKIP  {WITHOUT_TEST[line]}"
            else:
                yield f"{line:2} FAIL  no test names this line"


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("JACKDAW_KILLS", "20")  # as many as the list asks for; `make test` has fewer
    config.pluginmanager.register(AcceptReport(), "accept-report")
