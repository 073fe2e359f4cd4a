"""Models other programs have on this disk: found where they lie, used in place, and never changed without consent."""
