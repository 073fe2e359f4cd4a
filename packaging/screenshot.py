"""Make the pictures of the README: the real window on the real service and engine, light and dark.

    python packaging/screenshot.py [--model FILE.gguf] [--citing FILE.gguf] [--out docs/images] [--scale 2]

Without a model a tiny one is made on the spot, whose words mean nothing; `--citing` is one that answers from files.
Nothing is drawn or typed in afterwards: what is seen is what the program showed. Everything else happens in a folder
that is removed at the end.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

if TYPE_CHECKING:
    from desktop.paths import Paths
    from desktop.qt.bridge import Bridge
    from desktop.qt.shell import MainWindow
    from desktop.qt.theme import Theme

STEP_S = 120.0
SIZE = (1440, 900)
QUESTIONS = (
    "Once upon a time there was a little bird named Jack. He saw a shiny button.",
    """Go on with `Jack` and his friends:

| Name | Wants |
|---|---|
| Jack | a shiny button |
| Lily | to play in the park |

```python
for friend in friends:
    friend.play(with_=jack)  # all day
```
""",
)
# One paragraph for each question, the same every time.
PARAMETERS = {"max_tokens": 160, "temperature": 0.3, "seed": 1, "stop": ["\n"]}


def main() -> int:
    """Save the pictures of the first run, the chat and the Models page; 0 when all are written."""
    wishes = _arguments()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["QT_SCALE_FACTOR"] = str(wishes.scale)
    from desktop.paths import find_paths

    with tempfile.TemporaryDirectory(prefix="jd-") as folder:
        paths = find_paths(Path(folder))
        paths.create()
        paths.settings.write_text("version = 1\nport = 0\n")
        model = wishes.model or _tiny_model(Path(folder))
        _Session(paths, model, (wishes.citing or model).resolve(), wishes.out).run()
        _wait_for_the_end(paths)
    return 0


class _Session:
    """One window from its first start to the last picture."""

    def __init__(self, paths: Paths, model: Path, citing: Path, out: Path) -> None:
        self._paths = paths
        self._model = model
        self._citing = citing
        self._out = out
        out.mkdir(parents=True, exist_ok=True)

    def run(self) -> None:
        from desktop.qt.app import connector, finder, make_application
        from desktop.qt.bridge import Bridge
        from desktop.qt.shell import MainWindow
        from desktop.qt.theme import Theme

        app = make_application()
        theme = Theme(app, "light")
        bridge = Bridge(connector(self._paths), finder(self._paths))
        window = MainWindow(theme, bridge, self._paths)
        window.resize(*SIZE)
        window.show_first()
        try:
            self._drive(window, bridge, theme)
        finally:
            bridge.close(lambda client: client.stop())
            window.quit()

    def _drive(self, window: MainWindow, bridge: Bridge, theme: Theme) -> None:
        store = window.store
        _wait(lambda: store.models_known and store.chats_known and store.status is not None and bool(store.settings))
        _wait(lambda: window.status_bar.engine.words == "Engine ready")
        self._save(window, "first-run-light")
        window.import_files([self._model])
        _wait(lambda: any(model.loaded for model in store.models.values()))
        window.chat.conversation.patch({"parameters": PARAMETERS})
        for question in QUESTIONS:
            before = len(window.chat.conversation.messages)
            window.chat.column.composer.set_text(question)
            window.chat.column.composer.submit()
            _wait(lambda: len(window.chat.conversation.messages) > before and not window.chat.conversation.busy)  # noqa: B023
        _wait(lambda: not window.toasts.toasts and window.chat.column.gauge.room.exact)
        self._save(window, "chat-light")
        theme.set_mode("dark")
        self._save(window, "chat-dark")
        theme.set_mode("light")
        self._files(window)
        window.show_page("models")
        window.models.show_model(next(iter(store.models)))
        _wait(lambda: window.models.inspector.local.fit.fit is not None)
        self._save(window, "models-light")
        self._show_what_can_be_had(window)
        self._quantize(window)

    def _show_what_can_be_had(self, window: MainWindow) -> None:
        """Suggestions for this machine, from the catalogue: nothing is asked of the network."""
        window.show_models_view("discover")
        cards = window.models.discover.list.cards
        _wait(lambda: cards.rowCount() > 3)
        self._save(window, "discover-light")

    def _files(self, window: MainWindow) -> None:
        from screenshot_files import FilePictures

        with tempfile.TemporaryDirectory(prefix="jd-") as scratch:
            pictures = FilePictures(window, CHECKOUT, Path(scratch), self._save, _wait)
            pictures.page()
            pictures.chat(self._citing)

    def _quantize(self, window: MainWindow) -> None:
        """A tiny model becomes its whole ladder, each type measured: the chart's figures are this machine's."""
        source = _tiny_model(self._paths.data)
        window.import_files([source])
        _wait(lambda: source.stem in window.store.models)
        window.making.quantize(source.stem)
        panel = window.making.panel
        assert panel is not None
        _wait(lambda: panel.rows.rows)
        panel.ladder.click()
        panel.start.click()
        _wait(lambda: any(job.kind == "quantize" for job in window.store.jobs.values()))
        _wait(lambda: not window.store.running_jobs() and len(panel.results.chart.points) > 5)
        _wait(lambda: not window.toasts.toasts)
        self._save(window, "quantize-light")

    def _save(self, window: MainWindow, name: str) -> None:
        _pump(0.5)
        path = self._out / f"{name}.png"
        if not window.grab().save(str(path)):
            raise OSError(f"{path} could not be written.")
        print(path)


def _wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + STEP_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("The window did not get there in two minutes.")
        _pump(0.02)


def _wait_for_the_end(paths: Paths) -> None:
    """Until the service let go of its folder: before that it still writes there."""
    import fcntl

    with paths.lock.open("rb") as lock:
        _wait(lambda: _is_free(lock, fcntl.LOCK_SH | fcntl.LOCK_NB))


def _is_free(lock: IO[bytes], operation: int) -> bool:
    import fcntl

    try:
        fcntl.flock(lock, operation)
    except BlockingIOError:
        return False
    return True


def _pump(seconds: float) -> None:
    """Let the event loop run: here is no application that could be waited for."""
    from PySide6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


def _tiny_model(folder: Path) -> Path:
    from models.tiny_model import write_tiny_model

    return write_tiny_model(folder / "tiny-chat-f16.gguf", name="Tiny Chat")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the pictures of the README from the real window.")
    parser.add_argument("--model", type=Path, help="a GGUF file to chat with; a tiny one is made without it")
    parser.add_argument("--citing", type=Path, help="a GGUF file that answers from files; the other one without it")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "docs" / "images", help="where the PNG files go")
    parser.add_argument("--scale", type=float, default=2.0, help="device pixels per pixel")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
