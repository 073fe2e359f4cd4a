"""A question whose answer stands in one file alone, through the whole stack: index, search, prompt, model, citation.

The model is tests/citing/citing.gguf, which tests/citing/train.py makes. Names, values and files of these cases were in
no training.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from desktop.client import Client
from desktop.paths import Paths
from desktop.wire_files import AddRoots, AskFiles, FilesAnswer, RemoveRequest
from rag.answer.prompt import NOT_IN_FILES
from tests import citing
from tests.citing.facts import Fact, Note, for_tests, new_name, new_note
from tests.service.files_rig import indexed
from tests.service.running import RunningService, running

MODEL = Path(citing.__file__).with_name("citing.gguf")
CASES = 100
MOST_WRONG = 5
OTHERS = {
    "lunch.md": "# Lunch\n\nLunch was served at noon. All doors close in the evening.\n",
    "review.md": "# Review\n\nThe next review is in spring. See the plan on the wall for more.\n",
    "list.md": "# List\n\nThe old list was thrown away last year. Please keep this page up to date.\n",
}
PASSAGES = 3  # as many as a model of 1.3 million weights can tell apart surely


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the hundred, and what came back."""

    note: Note
    fact: Fact
    answer: FilesAnswer

    @property
    def right(self) -> bool:
        """The value is in the answer, and what is cited is the one file that states it."""
        return self.fact.value in self.answer.answer and self.cited == [self.note.path]

    @property
    def cited(self) -> list[str]:
        return [source.path for source in self.answer.sources if source.cited]

    def __str__(self) -> str:
        sources = [(source.number, source.path, source.cited) for source in self.answer.sources]
        return f"{self.note.path}: {self.fact} -> {self.answer.answer!r} {sources}"


@pytest.fixture(scope="module")
def notes() -> list[Note]:
    rng = random.Random(20261121)
    names: dict[str, None] = {}
    while len(names) < CASES:
        names.setdefault(new_name(rng, tests=True))
    return [new_note(rng, tests=True, name=name) for name in names]


@pytest.fixture(scope="module")
def service(
    module_home: Paths, engine_environ: dict[str, str], notes: list[Note], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("office")
    for note in notes:
        path = folder / note.path
        path.parent.mkdir(exist_ok=True)
        path.write_text(note.text, encoding="utf-8")
    with running(module_home, environ=engine_environ) as started:

        async def prepare(client: Client) -> None:
            await client.load_model((await client.import_model(MODEL)).id)
            await indexed(client, AddRoots(collection="office", paths=[str(folder)]))

        started.use(prepare)
        yield started


def ask(service: RunningService, question: str, collection: str = "office") -> FilesAnswer:
    request = AskFiles(question=question, collection=collection, k=PASSAGES)
    return service.use(lambda client: client.ask_files(request))


def test_the_names_of_these_cases_were_kept_from_training(notes: list[Note]) -> None:
    assert all(for_tests(note.fact.name) for note in notes)


def test_the_right_value_and_the_right_citation_in_95_of_100_fresh_cases(
    service: RunningService, notes: list[Note]
) -> None:
    rng = random.Random(7)
    asked = []
    for note in notes:
        asked.append(Asked(note, note.fact, ask(service, note.fact.asked(rng))))
    wrong = [case for case in asked if not case.right]
    assert len(wrong) <= MOST_WRONG, "\n".join(map(str, wrong))


def test_when_the_only_file_that_states_it_is_removed_it_is_not_in_your_files(
    service: RunningService, tmp_path: Path
) -> None:
    note = new_note(random.Random(3), tests=True)
    stating = tmp_path / "stating.md"
    stating.write_text(note.text, encoding="utf-8")
    for name, text in OTHERS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    service.use(lambda client: indexed(client, AddRoots(collection="mixed", paths=[str(tmp_path)])))
    question = note.fact.asked(random.Random(1))
    before = ask(service, question, "mixed")
    assert note.fact.value in before.answer
    assert [source.path for source in before.sources if source.cited] == ["stating.md"]

    service.use(lambda client: client.remove_files(RemoveRequest(collection="mixed", paths=[str(stating)])))

    after = ask(service, question, "mixed")
    assert (after.answer.strip(), after.found, after.sources) == (NOT_IN_FILES, False, [])


def test_when_one_of_many_files_is_removed_nothing_of_it_is_answered(
    service: RunningService, notes: list[Note]
) -> None:
    """The others are so near to it that a passage is found: the value of the removed one never comes back."""
    note = notes[0]
    fact = note.fact
    question = fact.asked(random.Random(1))
    before = ask(service, question)
    assert fact.value in before.answer
    file = next(source.file for source in before.sources if source.path == note.path)

    receipt = service.use(lambda client: client.remove_files(RemoveRequest(collection="office", paths=[file])))

    assert receipt.proven
    after = ask(service, question)
    assert fact.value not in after.model_dump_json()
    assert note.path not in [source.path for source in after.sources]
    foreign = ask(service, "Who painted the ceiling of the chapel?")
    assert (foreign.answer.strip(), foreign.found) == (NOT_IN_FILES, False)
    assert Path(file).exists()
