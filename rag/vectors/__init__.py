"""The vector index: Chroma in one worker, a cache of the vectors in files.db."""
