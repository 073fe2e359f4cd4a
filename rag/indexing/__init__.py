"""Indexing: what has changed on the disk becomes files, chunks and vectors, and stays so while folders are watched."""
