"""Which names from elsewhere may become names here: one set of rules for every write, read and delete.

A repository chooses its file names, and model stores have been left through `..`, backslashes, drive letters, UNC
paths and symbolic links again and again. What any system we run on would read in a special way is refused on all of
them. The rules are an allow-list where one is possible; `fullmatch` everywhere, because `$` lets a newline pass.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path, PurePosixPath

from models.errors import UnsafeName

# What a model needs, and nothing that is ever run.
SUFFIXES = frozenset({".gguf", ".safetensors", ".json", ".txt", ".model", ".jinja"})
# File systems end at 255; what we add to a name while it is written, such as ".part", must still fit.
MAX_PART_BYTES = 240
UNFINISHED = ".part.json"  # how the downloader calls what it notes of a file; see models/download/partial.py
MAX_NAME_BYTES = 900
MAX_PARTS = 8
MAX_SHOWN = 80

_REPO_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE
)
_SHORT_NAME = re.compile(r"~[0-9]")  # Windows would take MODEL~1.GGU for another file's name
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")  # decoded once too often it could become a separator
_SPECIAL = frozenset('<>:"|?*\\')


def check_repo_id(repo_id: str) -> str:
    """Return `repo_id` when it is "author/name" of plain characters, both fit to be folders; else UnsafeName.

    Each part has 1 to 96 letters, digits, `.`, `_`, `-`, as on the Hub, without `..`, `--` and a `.git` at the end.
    """
    author, slash, name = repo_id.partition("/")
    if not slash:
        raise UnsafeName(f"{_shown(repo_id)} is no repository: it has no author.", hint="Repositories are author/name.")
    for part in (author, name):
        if not _REPO_PART.fullmatch(part) or ".." in part or "--" in part or part.lower().endswith(".git"):
            raise UnsafeName(
                f"{_shown(repo_id)} cannot be the name of a repository.",
                hint="Repositories are author/name, of letters, digits, '.', '_' and '-'.",
            )
        _refuse_reserved(part, repo_id)
    return repo_id


def check_revision(revision: str) -> str:
    """Return `revision` when it can be a branch, a tag or a commit; else UnsafeName."""
    bad = ".." in revision or "//" in revision or revision.endswith(("/", ".", ".lock"))
    if bad or not _REVISION.fullmatch(revision):
        raise UnsafeName(f"{_shown(revision)} cannot be a branch, a tag or a commit.")
    return revision


def check_commit(commit: str) -> str:
    """Return `commit` when it is the full hash of one, 40 lower-case hexadecimal digits; else UnsafeName."""
    if not _COMMIT.fullmatch(commit):
        raise UnsafeName(f"{_shown(commit)} is no commit: that would be 40 hexadecimal digits.")
    return commit


def check_sha256(digest: str) -> str:
    """Return `digest` when it is 64 lower-case hexadecimal digits; else UnsafeName."""
    if not _SHA256.fullmatch(digest):
        raise UnsafeName(f"{_shown(digest)} is no sha256: that would be 64 hexadecimal digits.")
    return digest


def check_file_name(name: str) -> str:
    """Return `name` when it is a relative path with `/` that is harmless on every system; else UnsafeName.

    At most 8 parts of 240 bytes, each visible, none starting with `.` or `-`, and a suffix among SUFFIXES.
    """
    if not name or len(name.encode("utf-8", errors="surrogatepass")) > MAX_NAME_BYTES:
        raise _unsafe(name, "it is empty" if not name else "it is too long")
    # Compatibility forms turn look-alikes such as U+FF0F into the separators they would become on some systems.
    plain = unicodedata.normalize("NFKC", name)
    if plain.count("/") != name.count("/"):
        raise _unsafe(name, "it holds a look-alike of /")
    for form in (name, plain):
        parts = form.split("/")
        if len(parts) > MAX_PARTS:
            raise _unsafe(name, "it lies too deep")
        for part in parts:
            if reason := _part_problem(part):
                raise _unsafe(name, reason)
            _refuse_reserved(part, name)
    if name.lower().endswith(UNFINISHED):
        raise _unsafe(name, "what is known of an unfinished download has such a name")
    if PurePosixPath(name).suffix.lower() not in SUFFIXES:
        raise _unsafe(name, f"only {', '.join(sorted(SUFFIXES))} files are fetched")
    return name


def is_file_name(name: str) -> bool:
    """Whether check_file_name would accept `name`."""
    try:
        check_file_name(name)
    except UnsafeName:
        return False
    return True


def safe_path(root: Path, name: str) -> Path:
    """The path of `name` below `root`, which need not exist yet.

    Raises UnsafeName for what check_file_name refuses, and when a symbolic link stands in the way: a link below
    `root` could lead the next write, read or delete out of it.
    """
    return check_inside(root, root.joinpath(*check_file_name(name).split("/")))


def repo_folder(root: Path, repo_id: str, commit: str) -> Path:
    """`root`/author/name/commit, checked like safe_path."""
    author, name = check_repo_id(repo_id).split("/")
    return check_inside(root, root / author / name / check_commit(commit))


def check_inside(root: Path, path: Path) -> Path:
    """Return `path` when it lies below `root` and no part below `root` is a symbolic link; else UnsafeName."""
    try:
        below = path.relative_to(root)
    except ValueError:
        raise UnsafeName(f"{path} is not in {root}.") from None
    if not below.parts or ".." in below.parts:
        raise UnsafeName(f"{path} is not in {root}.")
    at = root
    for part in below.parts:
        at = at / part
        if at.is_symlink():
            raise UnsafeName(f"{at} is a symbolic link, which nothing is written or deleted through.")
    if not path.resolve().is_relative_to(root.resolve()):
        raise UnsafeName(f"{path} leads out of {root}.")
    return path


def _part_problem(part: str) -> str:
    """Why one part of a path is refused; "" when it is not."""
    if part in ("", ".", ".."):
        return "a part of it is empty or leads upwards"
    if any(_is_invisible(char) for char in part):
        return "it holds characters nobody sees"
    if found := sorted(_SPECIAL.intersection(part)):
        return f"it holds {found[0]}"
    if part[0] in ".-" or part[0].isspace() or part[-1] == "." or part[-1].isspace():
        return "a part of it starts or ends in a way some systems change"
    if _PERCENT.search(part) or _SHORT_NAME.search(part):
        return "some systems would read it as another name"
    if len(part.encode()) > MAX_PART_BYTES:
        return "a part of it is too long"
    return ""


def _is_invisible(char: str) -> bool:
    # Controls, formats (bidi), surrogates, private and unassigned ones; every space but the usual one.
    category = unicodedata.category(char)
    return category[0] == "C" or (category[0] == "Z" and char != " ")


def _refuse_reserved(part: str, name: str) -> None:
    if _RESERVED.fullmatch(part.split(".", maxsplit=1)[0].rstrip(" ")):
        raise _unsafe(name, "it names a device on Windows")


def _unsafe(name: str, reason: str) -> UnsafeName:
    return UnsafeName(f"The file name {_shown(name)} is refused: {reason}.", hint="Nothing was written.")


def _shown(name: str) -> str:
    """The name, safe and short enough for a message."""
    clean = "".join("\N{REPLACEMENT CHARACTER}" if _is_invisible(char) else char for char in name[:MAX_SHOWN])
    return f"“{clean}{'…' if len(name) > MAX_SHOWN else ''}”"
