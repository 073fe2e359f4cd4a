"""Text of pictures through the tesseract program, where it is installed."""

from __future__ import annotations

import locale
import subprocess
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# What tesseract calls the languages of locales; its data files are named so.
_LANGUAGES = {
    "en": "eng", "de": "deu", "fr": "fra", "es": "spa", "it": "ita", "pt": "por", "nl": "nld", "pl": "pol",
    "cs": "ces", "sv": "swe", "da": "dan", "nb": "nor", "fi": "fin", "hu": "hun", "ro": "ron", "tr": "tur",
    "ru": "rus", "uk": "ukr", "el": "ell", "ja": "jpn", "ko": "kor", "zh": "chi_sim", "ar": "ara", "he": "heb",
}  # fmt: skip
_PROGRAM_S = 20.0


def read_picture(tesseract: str, picture: NDArray[np.uint8], timeout_s: float) -> str:
    """The text of a gray picture, shape (height, width) or (height, width, 1); "" when tesseract finds or gives none.

    The picture goes over standard input as PGM, so that no file is written.
    """
    height, width = picture.shape[:2]
    data = b"P5 %d %d 255\n" % (width, height) + np.ascontiguousarray(picture).tobytes()
    languages = _languages(tesseract)
    command = [tesseract, "stdin", "stdout", *(["-l", languages] if languages else [])]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").replace("\f", "") if done.returncode == 0 else ""


@lru_cache(maxsize=1)
def _languages(tesseract: str) -> str:
    """English and the user's own, as far as their data is installed; "" leaves it to tesseract."""
    try:
        done = subprocess.run([tesseract, "--list-langs"], capture_output=True, timeout=_PROGRAM_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    installed = done.stdout.decode("utf-8", "replace").split()
    own = (locale.getlocale()[0] or "en")[:2]
    wanted = dict.fromkeys((_LANGUAGES.get(own, "eng"), "eng"))
    return "+".join(name for name in wanted if name in installed)
