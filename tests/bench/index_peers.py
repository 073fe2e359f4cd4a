"""Indexes a folder the way LangChain's and LlamaIndex's own pages show it; run by index_bench in their own process.

    python index_peers.py langchain|llamaindex|llamaindex-256 FOLDER STORE MODEL

FOLDER holds text files only, MODEL is the folder of the embedding model, STORE is where Chroma puts its files. Prints
one JSON object. The clock starts when everything is imported and the model is loaded. It needs nothing of this project.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHROMA_ROWS = 5000  # Chroma takes 5,461 rows in one call (chromadb 1.5)


def langchain(folder: Path, store: Path, model: str) -> Callable[[], int]:
    """RecursiveCharacterTextSplitter with 1000/200, HuggingFaceEmbeddings and Chroma, with what else is usual there."""
    from langchain_chroma import Chroma
    from langchain_core.documents import Document
    from langchain_huggingface import HuggingFaceEmbeddings
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    embeddings = HuggingFaceEmbeddings(model_name=model, model_kwargs={"device": "cpu"})
    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)

    def index() -> int:
        documents = [
            Document(path.read_text("utf-8", "replace"), metadata={"source": str(path)}) for path in files(folder)
        ]
        pieces = splitter.split_documents(documents)
        database = Chroma(collection_name="files", embedding_function=embeddings, persist_directory=str(store))
        for start in range(0, len(pieces), CHROMA_ROWS):
            database.add_documents(pieces[start : start + CHROMA_ROWS])
        return len(pieces)

    return index


def llamaindex(folder: Path, store: Path, model: str, **sizes: int) -> Callable[[], int]:
    """SimpleDirectoryReader, SentenceSplitter, HuggingFaceEmbedding and ChromaVectorStore.

    Its usual chunks have 1024 tokens, of which this model reads the first 256: three quarters of the text are not in
    the vectors. With `sizes` (chunk_size=256) all of it is, as with the other contenders.
    """
    import chromadb
    from llama_index.core import Settings, SimpleDirectoryReader, StorageContext, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.vector_stores.chroma import ChromaVectorStore

    Settings.embed_model = HuggingFaceEmbedding(model_name=model, device="cpu")

    def index() -> int:
        documents = SimpleDirectoryReader(str(folder), recursive=True, exclude_hidden=False).load_data()
        nodes = SentenceSplitter(**sizes).get_nodes_from_documents(documents)
        collection = chromadb.PersistentClient(str(store)).get_or_create_collection("files")
        storage = StorageContext.from_defaults(vector_store=ChromaVectorStore(chroma_collection=collection))
        VectorStoreIndex(nodes, storage_context=storage)
        return len(nodes)

    return index


def files(folder: Path) -> list[Path]:
    """All files below, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def main(name: str, folder: Path, store: Path, model: str) -> dict[str, Any]:
    if name == "langchain":
        index = langchain(folder, store, model)
    else:
        sizes = {"chunk_size": 256, "chunk_overlap": 20} if name.endswith("256") else {}
        index = llamaindex(folder, store, model, **sizes)
    began = time.perf_counter()
    chunks = index()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "chunks": chunks, "peak_bytes": peak}


if __name__ == "__main__":
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="true", ANONYMIZED_TELEMETRY="False")
    name, folder, store, model = sys.argv[1:]
    print(json.dumps(main(name, Path(folder), Path(store), model)))
