"""Names from elsewhere: what could leave its folder on any system is refused on all, by every entry there is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import UnsafeName
from models.hub import names

COMMIT = "0123456789abcdef" * 2 + "01234567"
# Each would write, read or delete outside its folder, or be another file, on one of the systems we run on.
ATTACKS = (
    "",
    ".",
    "..",
    "../x.gguf",
    "../../etc/passwd.txt",
    "a/../x.gguf",
    "a/../../x.gguf",
    "a/..",
    "a//x.gguf",
    "/x.gguf",
    "//server/share/x.gguf",
    "/etc/passwd",
    "./x.gguf",
    "a/./x.gguf",
    "x.gguf/",
    "..\\x.gguf",
    "a\\..\\..\\x.gguf",
    "\\x.gguf",
    "\\\\server\\share\\x.gguf",
    "\\\\?\\C:\\x.gguf",
    "\\\\.\\pipe\\x.gguf",
    "C:x.gguf",
    "C:\\x.gguf",
    "C:/x.gguf",
    "x.gguf:stream.txt",
    "file:///x.gguf",
    "x\0.gguf",
    "x.gguf\0.txt",
    "x\n.gguf",
    "x.gguf\n",
    "x\r.gguf",
    "x\t.gguf",
    "\x1b[2Jx.gguf",
    "x\x7f.gguf",
    "x\x85.gguf",
    "%2e%2e/x.gguf",
    "%2e%2e%2fx.gguf",
    "a%2fx.gguf",
    "a%5cx.gguf",
    "%00x.gguf",
    "..%c0%afx.gguf",
    "\u202efugg.gguf",
    "x\u200b.gguf",
    "\ufeffx.gguf",
    "x\u2028.gguf",
    "x\u00a0.gguf",
    "\ud800.gguf",
    "\uff0e\uff0e/x.gguf",
    "a／x.gguf",
    "a＼x.gguf",
    "C：x.gguf",
    "․․/x.gguf",
    "CON.gguf",
    "con.txt",
    "a/NUL.gguf",
    "PRN.x.gguf",
    "aux .gguf",
    "COM1.gguf",
    "com¹.gguf",
    "LPT9.json",
    "CONIN$.txt",
    "CLOCK$.txt",
    "MODEL~1.gguf",
    "x.gguf.",
    "x.gguf ",
    " x.gguf",
    "a /x.gguf",
    "a./x.gguf",
    ".x.gguf",
    ".ssh/config.json",
    "-x.gguf",
    "--rpc.gguf",
    'x".gguf',
    "x|y.gguf",
    "x<y>.gguf",
    "x?.gguf",
    "*.gguf",
    f"{'x' * 251}.gguf",
    f"{'ü' * 120}.gguf",
    f"{'x/' * 9}x.gguf",
    f"{'x' * 100}/" * 9 + "x.gguf",
    "x",
    "x.py",
    "x.bin",
    "x.pt",
    "x.pkl",
    "x.so",
    "x.gguf.exe",
    "x.sh",
    "README.md",
    "mcp.JSON.lnk",
)
REPOS = (
    "",
    "name",
    "/name",
    "author/",
    "a/b/c",
    "../b",
    "a/..",
    "a/b..c",
    "a/b--c",
    "a/b.git",
    "a/b\n",
    "a\\b/c",
    "a/b c",
    "C:/b",
    "a/b%2f",
    "a/.b",
    "a/b.",
    "-a/b",
    "a/-b",
    "con/b",
    "a/nul.txt",
    "a/ü",
    f"a/{'b' * 97}",
    "http://evil.example/a",
)
GOOD = (
    "model.gguf",
    "Qwen3-0.6B-Q4_K_M.gguf",
    "BF16/Llama-3.3-70B-Instruct-BF16-00001-of-00003.gguf",
    "mmproj-model-f16.GGUF",
    "1_Pooling/config.json",
    "tokenizer.model",
    "chat_template.jinja",
    "Modell ü (neu), 2+1=3.txt",
    "模型.gguf",
    f"{'x' * 235}.gguf",
)


def in_place(root: Path, name: str) -> None:
    """The widest entry: whatever path it gives is written, read and deleted."""
    path = names.safe_path(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    path.read_bytes()
    path.unlink()


def joined_by_hand(root: Path, name: str) -> None:
    """What a caller with a path of its own goes through before a delete."""
    names.check_inside(root, root / names.check_file_name(name)).unlink(missing_ok=True)


def tree(folder: Path) -> str:
    """A hash over every path below `folder` and what is in it."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{path.relative_to(folder)}\0{path.is_symlink()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@pytest.fixture
def around(tmp_path: Path) -> Path:
    """A folder with a root in it and files beside the root that must stay."""
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "x.gguf").write_bytes(b"canary")
    (tmp_path / "passwd.txt").write_bytes(b"canary")
    (tmp_path / "root" / "kept.gguf").write_bytes(b"kept")
    return tmp_path


@pytest.mark.accept(14)
def test_there_are_at_least_sixty_attacks() -> None:
    assert len(set(ATTACKS)) == len(ATTACKS) >= 60


@pytest.mark.accept(14)
@pytest.mark.parametrize("entry", [in_place, joined_by_hand])
@pytest.mark.parametrize("name", ATTACKS, ids=ascii)
def test_a_name_that_could_leave_its_folder_changes_nothing(
    name: str, entry: Callable[[Path, str], None], around: Path
) -> None:
    before = tree(around)

    with pytest.raises(UnsafeName) as refused:
        entry(around / "root", name)

    assert tree(around) == before
    assert refused.value.message.isprintable()


@pytest.mark.parametrize("name", GOOD)
def test_names_as_the_hub_has_them_are_taken(name: str, around: Path) -> None:
    in_place(around / "root", name)

    assert names.safe_path(around / "root", name) == around / "root" / name


@pytest.mark.accept(14)
@pytest.mark.parametrize("repo", REPOS, ids=ascii)
def test_what_is_no_repository_gets_no_folder(repo: str, around: Path) -> None:
    with pytest.raises(UnsafeName):
        names.repo_folder(around / "root", repo, COMMIT)


@pytest.mark.parametrize("repo", ["a/b", "Qwen/Qwen3-0.6B-GGUF", "0x1/m_2.v1", f"a/{'b' * 96}"])
def test_repositories_as_the_hub_names_them_are_taken(repo: str, tmp_path: Path) -> None:
    assert names.repo_folder(tmp_path, repo, COMMIT) == tmp_path / repo / COMMIT


@pytest.mark.accept(14)
@pytest.mark.parametrize("commit", ["main", "", COMMIT[:-1], COMMIT + "0", COMMIT.upper(), f"{COMMIT[:-1]}\n", "../x"])
def test_only_a_full_commit_names_a_folder(commit: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafeName):
        names.repo_folder(tmp_path, "a/b", commit)


@pytest.mark.accept(14)
@pytest.mark.parametrize("digest", ["a" * 63, "a" * 65, f"{'a' * 64}\n", "A" * 64, "g" * 64, "../" + "a" * 61, ""])
def test_a_digest_has_exactly_its_digits(digest: str) -> None:
    with pytest.raises(UnsafeName):
        names.check_sha256(digest)
    assert names.check_sha256("a" * 64) == "a" * 64


@pytest.mark.parametrize("revision", ["", "-x", "../x", "a//b", "a/../b", "a b", "main\n", "x/", "x.lock", "a" * 201])
def test_what_is_no_branch_is_not_asked_for(revision: str) -> None:
    with pytest.raises(UnsafeName):
        names.check_revision(revision)


def test_branches_tags_and_pull_requests_are_asked_for() -> None:
    assert [names.check_revision(name) for name in ("main", "v1.0", "refs/pr/3", COMMIT)]


@pytest.mark.accept(14)
@pytest.mark.parametrize("link", ["a", "a/b", "a/b/x.gguf"])
def test_a_symbolic_link_on_the_way_is_not_followed(link: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.gguf").write_bytes(b"canary")
    root = tmp_path / "root"
    place = root / link
    place.parent.mkdir(parents=True)
    place.symlink_to(outside / "x.gguf" if link.endswith(".gguf") else outside)
    before = tree(tmp_path)

    with pytest.raises(UnsafeName, match="symbolic link"):
        in_place(root, "a/b/x.gguf" if link != "a" else "a/x.gguf")

    assert tree(tmp_path) == before


def test_a_root_that_is_itself_reached_by_a_link_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")

    in_place(tmp_path / "root", "a/x.gguf")


@pytest.mark.accept(14)
@pytest.mark.parametrize("path", ["root", "root/../x.gguf", "x.gguf", "root/a/../../x.gguf"])
def test_a_path_of_our_own_is_checked_before_it_is_deleted(path: str, around: Path) -> None:
    with pytest.raises(UnsafeName):
        names.check_inside(around / "root", around / path)
