"""The disk fills up while files are indexed: nothing that was there is lost, and it goes on when there is room."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tests
from tests.rag.doctor.full_disk import FILES

CHECKOUT = Path(tests.__file__).parent.parent


@pytest.mark.accept(36)
def test_indexing_on_a_full_disk(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-Urm", "true"], capture_output=True).returncode != 0:
        pytest.skip("this system gives no mount namespace to a user")
    ended = subprocess.run(
        [unshare, "-Urm", sys.executable, "-m", "tests.rag.doctor.full_disk", str(tmp_path)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    seen = json.loads(ended.stdout.splitlines()[-1])
    assert seen["full"] and seen["outcome"] == "DiskFull"
    assert min(seen["before"][0]) >= 1
    assert seen["meanwhile"] == seen["before"]
    assert seen["afterwards"] == ""
    assert len(seen["all"]) == 2 * FILES and min(seen["all"]) >= 1
    assert seen["findings"] == [] and seen["quarantined"] == []
