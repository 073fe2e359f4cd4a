"""The schema of files.db.

collections, roots   what the user added; `rules` is JSON
files                one row per file that was seen: its stat, its state with the reason, its document
documents            one per content (sha256, variant, parser_version); shared by all files that have it
chunks               of documents. Ids are never used twice, and a chunk's text never changes under its id
memberships          which documents a collection has, and the path words they are indexed with
fts_<collection id>  FTS5 over `text`, `header`, `path`; rowid is the chunk's id. Contentless: it holds no text, and a
                     row is deleted by stating what it was made from (sqlite.org/fts5.html, 4.4.3), which is computed
                     again from the chunk. All three columns hold `lexical_text` of what they are named after.
                     Tokenizer: porter over unicode61 with "_" as a letter, so that an identifier is one word beside
                     the parts `lexical_text` adds.
terms_<collection>   fts5vocab ("row") of it: term, doc, cnt
vectors              (embedder, text_hash) → float16, little-endian; never of a text twice
spaces               the vectors of one collection by one embedder, as one Chroma collection each
unplaced             chunk ids of a space whose vector is still to be made, put into Chroma, or taken out of it. Written
                     in the transaction that changes the chunks, taken off when Chroma has them: nothing is forgotten
                     by a kill in between
embedders            those the user added, as JSON
checks, evidence, receipts   see their modules
facts                single values by name
"""

from __future__ import annotations

from models.database import Migration, Tuning

MIGRATIONS = (
    Migration(
        1,
        "files",
        """
        CREATE TABLE collections (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            chat_id TEXT NOT NULL,
            rules TEXT NOT NULL,
            embedder_id TEXT NOT NULL,
            next_embedder_id TEXT NOT NULL,
            reranker_id TEXT NOT NULL,
            local_only INTEGER NOT NULL,
            watch INTEGER NOT NULL,
            paused INTEGER NOT NULL,
            created_at REAL NOT NULL,
            indexed_at REAL,
            problem TEXT NOT NULL,
            lexical_version INTEGER NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX collections_by_name ON collections (name, chat_id);
        CREATE TABLE roots (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            collection_id INTEGER NOT NULL REFERENCES collections,
            path TEXT NOT NULL,
            problem TEXT NOT NULL,
            UNIQUE (collection_id, path)
        ) STRICT;
        CREATE TABLE documents (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sha256 BLOB NOT NULL,
            variant TEXT NOT NULL,
            parser_version INTEGER NOT NULL,
            kind TEXT NOT NULL,
            language TEXT NOT NULL,
            title TEXT NOT NULL,
            pages INTEGER,
            encoding TEXT NOT NULL,
            lossy INTEGER NOT NULL,
            warnings TEXT NOT NULL,
            chunks INTEGER NOT NULL,
            text_bytes INTEGER NOT NULL,
            UNIQUE (sha256, variant, parser_version)
        ) STRICT;
        CREATE TABLE files (
            id INTEGER PRIMARY KEY,
            root_id INTEGER NOT NULL REFERENCES roots,
            path TEXT NOT NULL,
            size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            inode INTEGER NOT NULL,
            device INTEGER NOT NULL,
            state TEXT NOT NULL,
            reason TEXT NOT NULL,
            detail TEXT NOT NULL,
            document_id INTEGER REFERENCES documents,
            indexed_at REAL,
            UNIQUE (root_id, path)
        ) STRICT;
        CREATE INDEX files_by_document ON files (document_id) WHERE document_id IS NOT NULL;
        CREATE TABLE chunks (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            document_id INTEGER NOT NULL REFERENCES documents,
            ordinal INTEGER NOT NULL,
            start_char INTEGER NOT NULL,
            end_char INTEGER NOT NULL,
            file_start INTEGER NOT NULL,
            file_end INTEGER NOT NULL,
            start_line INTEGER NOT NULL,
            end_line INTEGER NOT NULL,
            page INTEGER,
            end_page INTEGER,
            kind TEXT NOT NULL,
            place TEXT NOT NULL,
            header TEXT NOT NULL,
            text_hash BLOB NOT NULL,
            text TEXT NOT NULL
        ) STRICT;
        CREATE INDEX chunks_by_document ON chunks (document_id, ordinal);
        CREATE INDEX chunks_by_text ON chunks (text_hash);
        CREATE TABLE memberships (
            collection_id INTEGER NOT NULL REFERENCES collections,
            document_id INTEGER NOT NULL REFERENCES documents,
            path_words TEXT NOT NULL,
            PRIMARY KEY (collection_id, document_id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX memberships_by_document ON memberships (document_id);
        CREATE TABLE vectors (
            id INTEGER PRIMARY KEY,
            embedder TEXT NOT NULL,
            text_hash BLOB NOT NULL,
            vector BLOB NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX vectors_by_text ON vectors (text_hash, embedder);
        CREATE TABLE spaces (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            collection_id INTEGER NOT NULL REFERENCES collections,
            embedder TEXT NOT NULL,
            dimensions INTEGER NOT NULL,
            identity TEXT NOT NULL,
            ready INTEGER NOT NULL,
            UNIQUE (collection_id, embedder)
        ) STRICT;
        CREATE TABLE unplaced (
            space_id INTEGER NOT NULL REFERENCES spaces,
            chunk_id INTEGER NOT NULL,
            PRIMARY KEY (space_id, chunk_id)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE embedders (
            id TEXT PRIMARY KEY,
            record TEXT NOT NULL
        ) STRICT;
        CREATE TABLE checks (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            collection_id INTEGER NOT NULL REFERENCES collections,
            query TEXT NOT NULL,
            settings TEXT NOT NULL,
            expected TEXT NOT NULL,
            passed INTEGER,
            message TEXT NOT NULL,
            ran_at REAL
        ) STRICT;
        CREATE TABLE evidence (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            record TEXT NOT NULL,
            created_at REAL NOT NULL
        ) STRICT;
        CREATE TABLE evidence_files (
            evidence INTEGER NOT NULL REFERENCES evidence ON DELETE CASCADE,
            file TEXT NOT NULL,
            PRIMARY KEY (evidence, file)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX evidence_by_file ON evidence_files (file);
        CREATE TABLE receipts (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            record TEXT NOT NULL,
            created_at REAL NOT NULL
        ) STRICT;
        CREATE TABLE facts (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        """,
    ),
    # Every search asks whether files are yet to be read, and every list how many there are of each state.
    Migration(2, "files by state", "CREATE INDEX files_by_state ON files (root_id, state);"),
)

TUNING = Tuning(
    durable=False,
    backups=False,
    secure_delete=True,
    writer_cache_kib=64 * 1024,
    reader_cache_kib=24 * 1024,
    check_up_to_bytes=64 * 1024 * 1024,
)

TOKENIZER = "porter unicode61 remove_diacritics 2 tokenchars '_'"


def fts_table(collection_id: int) -> str:
    """The lexical index of a collection: columns text, header, path; rowid is the chunk's id."""
    return f"fts_{collection_id:d}"


def terms_table(collection_id: int) -> str:
    """The terms of that index with the rows they are in: columns term, doc, cnt."""
    return f"terms_{collection_id:d}"
