"""Search: what a question asks, both sides of the index, and one ranking of passages with its evidence."""
