"""files.db: what is in the index. The truth of everything except the files themselves."""
