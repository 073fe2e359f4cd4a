"""The Hub: search, what a repository holds, what its files are called, and what a file says before it is fetched."""
