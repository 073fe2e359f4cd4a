"""Wire objects as the service gives them, for tests of words and painted parts."""

from __future__ import annotations

from typing import Any

from desktop import wire, wire_files


def a_collection(**fields: Any) -> wire_files.Collection:
    root = wire_files.Root(id=1, path="/home/ada/backend", files=212, watching=True)
    known: dict[str, Any] = {
        "id": 1,
        "name": "backend-repo",
        "roots": [root],
        "embedder": "all-minilm-l6-v2",
        "embedder_name": "all-MiniLM-L6-v2",
        "files": 212,
        "chunks": 1204,
        "state": "ready",
    }
    return wire_files.Collection(**{**known, **fields})


def a_file(path: str, **fields: Any) -> wire_files.FileRow:
    known: dict[str, Any] = {"bytes": 18_000, "chunks": 14, "state": "indexed", "kind": "code"}
    root = "/home/ada/backend"
    return wire_files.FileRow(**{"path": path, "root": root, "file": f"{root}/{path}", **known, **fields})


def files() -> list[wire_files.FileRow]:
    """One of each state."""
    return [
        a_file("src/ui/transcript.py"),
        a_file("docs/rendering.md", bytes=9_000, chunks=8, kind="prose"),
        a_file(
            "native/engine_process.cpp",
            bytes=112_000,
            chunks=71,
            state="embedding",
            fraction=0.62,
            message="Embedding 44 of 71",
        ),
        a_file(
            "docs/Design review March.pdf",
            bytes=2_400_000,
            chunks=58,
            state="reading",
            fraction=0.53,
            message="Reading page 31 of 58",
            kind="prose",
        ),
        a_file("bench/latency.csv", bytes=640_000, chunks=None, state="waiting", kind="table"),
        a_file(
            "legal/contract-signed.pdf",
            bytes=1_100_000,
            chunks=None,
            state="failed",
            reason="encrypted",
            message="Encrypted: it opens only with a password",
            kind="prose",
        ),
        a_file(".env", bytes=120, chunks=None, state="skipped", reason="secret", message="May hold keys or passwords"),
        a_file("notes/old.txt", warnings=["Some characters could not be read"], kind="prose"),
    ]


CODE = "def append(self, text: str):\n    self._flush.start(33)\n    self._pending.append(text)\n"
PROSE = (
    "Text is flushed 30 times a second. Blocks that are closed never change, and so they are never parsed again. "
    "What stands open at the end is rendered anew."
)


def a_result(**fields: Any) -> wire_files.SearchResult:
    start = CODE.index("self._flush")
    spans = [wire_files.HighlightSpan(start=start, end=CODE.index("\n", start), kind="sentence")]
    known: dict[str, Any] = {
        "path": "src/ui/transcript.py",
        "root": "/home/ada/backend",
        "file": "/home/ada/backend/src/ui/transcript.py",
        "start_line": 88,
        "end_line": 131,
        "start_char": 2000,
        "end_char": 3100,
        "text": CODE,
        "score": 0.92,
        "highlights": spans,
        "kind": "code",
        "collection": "backend-repo",
        "chunk_ids": [7],
    }
    return wire_files.SearchResult(**{**known, **fields})


def an_answer() -> wire_files.SearchAnswer:
    sentence = wire_files.HighlightSpan(start=0, end=PROSE.index(".") + 1, kind="sentence")
    prose = a_result(
        path="docs/rendering.md",
        text=PROSE,
        score=0.81,
        header="Streaming",
        highlights=[sentence],
        kind="prose",
        start_line=12,
        end_line=14,
    )
    page = a_result(path="docs/Design review March.pdf", page=3, end_page=4, text=PROSE, score=0.74, highlights=[])
    return wire_files.SearchAnswer(results=[a_result(), prose, page], took_ms=16.2, mode="hybrid")


def a_candidate(chunk_id: int, **fields: Any) -> wire_files.CandidateRow:
    known: dict[str, Any] = {"path": "src/ui/transcript.py", "start_line": 88, "end_line": 131, "text": CODE}
    return wire_files.CandidateRow(**{"chunk_id": chunk_id, **known, **fields})


def a_why(**fields: Any) -> wire_files.Why:
    source = wire_files.Source(**{**a_result().model_dump(), "number": 1, "cited": True})
    known: dict[str, Any] = {
        "id": "w1",
        "question": "how is streaming flushed?",
        "query": "how is streaming flushed?",
        "collections": ["backend-repo"],
        "query_kind": "question",
        "dense_weight": 0.6,
        "terms": ["streaming", "flush"],
        "mode": "hybrid",
        "embedder": "all-MiniLM-L6-v2",
        "stages": [
            wire_files.StageRow(name="analyse", took_ms=0.2, candidates=0, note="A question in words"),
            wire_files.StageRow(name="lexical", took_ms=3.1, candidates=40, note="2 of 5 words were asked for"),
            wire_files.StageRow(name="dense", took_ms=4.4, candidates=40),
            wire_files.StageRow(name="fuse", took_ms=0.3, candidates=61),
            wire_files.StageRow(name="budget", took_ms=0.1, candidates=3),
        ],
        "candidates": [
            a_candidate(
                7, lexical_rank=1, lexical_score=9.1, dense_rank=2, dense_score=0.71, fused_score=0.92, final_rank=1
            ),
            a_candidate(
                9,
                path="docs/rendering.md",
                start_line=12,
                end_line=14,
                text=PROSE,
                dense_rank=1,
                dense_score=0.78,
                fused_score=0.81,
                final_rank=2,
            ),
            a_candidate(
                11,
                path="docs/old.md",
                start_line=1,
                end_line=9,
                text=PROSE,
                lexical_rank=4,
                lexical_score=3.0,
                fused_score=0.4,
                dropped="duplicate",
                why="The same text as docs/rendering.md, lines 12–14",
            ),
        ],
        "sources": [source],
        "prompt": [{"role": "system", "content": "Answer from the passages."}, {"role": "user", "content": CODE}],
        "prompt_tokens": 612,
    }
    return wire_files.Why(**{**known, **fields})


def a_job(**fields: Any) -> wire.Job:
    known: dict[str, Any] = {
        "id": "j1",
        "kind": "index",
        "state": "running",
        "done": 198,
        "total": 212,
        "unit": "files",
        "message": "12 files/s, 52 chunks/s, 20 s left",
        "error": "",
        "can_pause": True,
    }
    return wire.Job(**{**known, **fields})


def a_plan(**fields: Any) -> wire_files.Plan:
    known: dict[str, Any] = {
        "files": 212,
        "bytes": 18_400_000,
        "reasons": {"generated": 120, "binary": 14, "secret": 2, "ignored": 31},
        "kinds": {".py": 120, ".md": 31, ".cpp": 20, ".rs": 12, ".pdf": 9, ".csv": 4, ".toml": 3, ".json": 9},
        "folders": [],
        "examples": [
            a_file(".env", state="skipped", reason="secret", message="May hold keys or passwords"),
            a_file("node_modules/x/index.js", state="skipped", reason="generated", message="In a vendored folder"),
        ],
    }
    return wire_files.Plan(**{**known, **fields})
