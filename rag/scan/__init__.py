"""Which files of a folder are read, and why the others are not."""

from rag.scan.ignore import IGNORE_FILES
from rag.scan.plan import FolderCount, Plan, plan
from rag.scan.reasons import reason_sentence
from rag.scan.rules import Found, Left, ScanRules
from rag.scan.walk import look, walk

__all__ = [
    "IGNORE_FILES",
    "FolderCount",
    "Found",
    "Left",
    "Plan",
    "ScanRules",
    "look",
    "plan",
    "reason_sentence",
    "walk",
]
