"""Whether the index is right, how it is put right, and removal that can be proven."""
