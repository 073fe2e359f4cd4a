"""The lock files: what pip may install, and nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
FILES = ("requirements.txt", "requirements-dev.txt")


def locked(name: str) -> dict[str, tuple[str, int]]:
    """ "package marker" → (version, number of hashes)."""
    found: dict[str, tuple[str, int]] = {}
    text = (PACKAGING / name).read_text(encoding="utf-8")
    for block in re.split(r"\n(?=[a-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)):
        head = block.splitlines()[0].rstrip("\\ ")
        package, _, rest = head.partition("==")
        version, _, marker = rest.partition(";")
        found[f"{package}{marker}"] = (version.strip(), len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block)))
    return found


def versions(name: str) -> dict[str, set[str]]:
    """package → its versions; for whom a package is may differ, because tests need some packages everywhere."""
    found: dict[str, set[str]] = {}
    for package, (version, _) in locked(name).items():
        found.setdefault(package.partition(" ")[0], set()).add(version)
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_package_has_one_version_and_hashes(name: str) -> None:
    packages = locked(name)

    assert len(packages) > 30
    assert all(version and hashes for version, hashes in packages.values())


@pytest.mark.parametrize("name", FILES)
def test_packages_built_per_platform_allow_each_platforms_file(name: str) -> None:
    packages = locked(name)

    for package in ("pyside6-essentials", "pydantic-core", "httptools"):
        assert packages[package][1] >= 4


@pytest.mark.parametrize("name", FILES)
def test_the_lock_names_no_index_and_no_folder(name: str) -> None:
    lines = (PACKAGING / name).read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if not line.lstrip().startswith("#")]

    assert not [line for line in packages if "://" in line or "index" in line.split()[:1] or " @ " in line]
    assert not [line for line in packages if line.startswith("-")]


def test_tests_run_on_the_versions_that_users_get() -> None:
    run, dev = (versions(name) for name in FILES)

    assert {package: dev.get(package) for package in run} == run


def test_the_engine_is_not_in_the_lock_because_it_has_its_own_hash() -> None:
    assert not [package for name in FILES for package in locked(name) if package.startswith("llama")]


def test_everything_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((PACKAGING.parent / "pyproject.toml").read_text(encoding="utf-8"))
    asked = project["project"]["dependencies"] + project["dependency-groups"]["build"]
    packages = {re.split(r"[ ;]", name)[0] for name in locked(FILES[0])}

    wanted = {re.split(r"[<>=; \[]", one)[0].lower().replace("_", "-") for one in asked}
    assert wanted <= packages


def test_torch_is_locked_apart_so_that_no_gigabytes_of_cuda_come_along() -> None:
    listed = (PACKAGING / "requirements-torch.txt").read_text(encoding="utf-8")

    assert re.search(r"^torch==2\.13\.0\+cpu ; sys_platform == 'linux'", listed, flags=re.MULTILINE)
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", listed)) >= 7
    assert not [package for name in FILES for package in locked(name) if re.match("torch$|nvidia|triton", package)]
