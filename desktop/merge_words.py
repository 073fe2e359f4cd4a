"""What merging equal files does to them, in the words that the window and the command line ask for consent with."""

from __future__ import annotations

# By the method of wire_models.Duplicate.
METHODS = {
    "reflink": "Each file keeps its own name, date and rights; only the room on the disk is shared.",
    "hardlink": (
        "The file that most people may read is kept; the others become further names of it, with its date and rights. "
        "A program that writes into one of them later changes all of them."
    ),
}
