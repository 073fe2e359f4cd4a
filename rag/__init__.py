"""The user's own files: readers, chunks, index, search, answers with citations."""
