"""Threads that follow the load: the choice, what is kept of it, and the library itself on a busy machine."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tuning import (
    ADAPTIVE_LIBRARY,
    Candidate,
    Measured,
    candidates,
    choose,
    default_tuning,
    is_measured,
    load_tuning,
    measure,
    measured_figures,
    processors,
)
from models.llamacpp import EngineBuild, find_build, proof_id, write_json
from models.progress import Progress
from models.tiny_model import TINY

PROBE = r"""
#include <omp.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    for (;;) {
        int team = 0;
        #pragma omp parallel num_threads(THREADS)
        { if (omp_get_thread_num() == 0) team = omp_get_num_threads(); }
        if (printf("%d\n", team) < 0 || fflush(stdout) != 0) return 0;
        usleep(20000);
    }
}
"""


def build_at(folder: Path, *, with_library: bool, backend: str = "CPU") -> EngineBuild:
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").mkdir()
    (folder / "bin" / "llama-server").write_text("not started here")
    if with_library:
        (folder / "lib" / ADAPTIVE_LIBRARY).write_bytes(b"not loaded here")
    return EngineBuild(folder, folder / "bin", "native", (), "test", backend, (), (), "", True)


def test_adaptive_candidates_come_first_and_only_with_the_library() -> None:
    assert all(not one.adaptive for one in candidates(None, 8))
    with_library = candidates(Path("/engine/lib/lib.so"), 8)
    assert with_library[0].adaptive
    assert with_library[0].environ["LD_PRELOAD"] == "/engine/lib/lib.so"
    assert {one.threads for one in with_library} == {7, 8}


def test_a_single_processor_has_nothing_to_adapt() -> None:
    assert all(one.threads == 1 and not one.adaptive for one in candidates(Path("/lib.so"), 1))


def test_the_choice_is_good_in_both_conditions_not_best_in_one() -> None:
    spinning = Measured(Candidate("spinning", 2), idle=70.0, busy=17.0)
    single = Measured(Candidate("single", 1), idle=57.0, busy=57.0)
    adaptive = Measured(Candidate("adaptive", 2, adaptive=True), idle=69.0, busy=55.0)
    assert choose([adaptive, spinning, single]) is adaptive
    assert choose([spinning, single]) is single


def test_noise_does_not_overturn_the_order() -> None:
    first = Measured(Candidate("first", 2), idle=99.0, busy=98.0)
    second = Measured(Candidate("second", 2), idle=100.0, busy=100.0)
    assert choose([first, second]) is first


speeds = st.floats(min_value=0.1, max_value=1e4)


@given(st.lists(st.tuples(speeds, speeds), min_size=1, max_size=8))
def test_nothing_beats_the_choice_in_both_conditions_by_more_than_noise(figures: list[tuple[float, float]]) -> None:
    measured = [Measured(Candidate(str(n), 2), idle, busy) for n, (idle, busy) in enumerate(figures)]
    chosen = choose(measured)
    assert not any(one.idle * 0.96 > chosen.idle and one.busy * 0.96 > chosen.busy for one in measured)


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        choose([])


def test_a_kept_choice_is_used_and_names_its_source(tmp_path: Path) -> None:
    build = build_at(tmp_path / "engine", with_library=False)
    chosen = {"name": "passive waiting", "threads": 1, "environ": {"OMP_WAIT_POLICY": "PASSIVE"}, "adaptive": False}
    (tmp_path / "tunings").mkdir()
    path = tmp_path / "tunings" / f"{proof_id(build.bin_dir)}-{processors()}.json"
    write_json(path, {"chosen": chosen, "measured": []})
    tuning = load_tuning(tmp_path, build)
    assert (tuning.threads, dict(tuning.environ)) == (1, {"OMP_WAIT_POLICY": "PASSIVE"})
    assert "measured here" in tuning.source
    assert measured_figures(tmp_path, build)["chosen"] == chosen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"chosen": 3}',
        '{"chosen": {"threads": 999, "environ": {}, "name": "x"}}',
        '{"chosen": {"threads": 1, "environ": {"LD_PRELOAD": "/gone.so"}, "name": "x"}}',
    ],
)
def test_a_spoilt_record_falls_back_to_the_default(tmp_path: Path, text: str) -> None:
    build = build_at(tmp_path / "engine", with_library=False)
    path = tmp_path / "tunings" / f"{proof_id(build.bin_dir)}-{processors()}.json"
    path.parent.mkdir()
    path.write_text(text)
    assert load_tuning(tmp_path, build) == default_tuning(build)


def test_without_library_and_measurement_threads_sleep_at_barriers(tmp_path: Path) -> None:
    assert default_tuning(build_at(tmp_path / "a", with_library=False)).environ == {"OMP_WAIT_POLICY": "PASSIVE"}
    assert default_tuning(build_at(tmp_path / "b", with_library=False, backend="CUDA")).environ == {}


@contextmanager
def busy_programs(count: int) -> Iterator[None]:
    programs = [subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def test_measuring_keeps_every_candidates_speed_and_uses_the_choice(tmp_path: Path, engine_bin: Path) -> None:
    build = find_build(tmp_path, {"JACKDAW_ENGINE": str(engine_bin)})
    reports: list[Progress] = []
    assert not is_measured(tmp_path, build)
    tuning = asyncio.run(measure(tmp_path, build, tmp_path, reports.append, shape=TINY))
    figures = measured_figures(tmp_path, build)
    assert is_measured(tmp_path, build)
    assert tuning == load_tuning(tmp_path, build)
    assert "measured here" in tuning.source
    assert all(one["idle"] > 0 for one in figures["measured"])
    assert [report.done for report in reports] == list(range(reports[0].total))
    assert not (tmp_path / "tuning.gguf").exists()


class Team:
    """A program that opens an OpenMP region every 20 ms and prints the size of its team."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program
        self.seen: set[int] = set()

    def becomes(self, wanted: int) -> bool:
        """Whether the size reaches `wanted` before the test's time limit."""
        assert self._program.stdout is not None
        for line in self._program.stdout:
            self.seen.add(int(line))
            if int(line) == wanted:
                return True
        return False


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("the library is for Linux and needs a C compiler")
    sys.path.insert(0, str(Path(__file__).parents[2] / "packaging"))
    from threads_library import build_threads_library

    assert build_threads_library(tmp_path) == ""
    (tmp_path / "probe.c").write_text(PROBE)
    flags = ["-fopenmp", f"-DTHREADS={processors()}", "-o", "probe", "probe.c"]
    subprocess.run(["cc", *flags], cwd=tmp_path, check=True)
    program = subprocess.Popen(
        [tmp_path / "probe"],
        stdout=subprocess.PIPE,
        text=True,
        env={"LD_PRELOAD": str(tmp_path / ADAPTIVE_LIBRARY), "GOMP_SPINCOUNT": "1000"},
    )
    with program:
        yield Team(program)
        program.kill()


@pytest.mark.skipif(processors() < 2, reason="one processor has nothing to give")
def test_the_team_shrinks_beside_busy_programs_and_grows_back_when_they_end(team: Team) -> None:
    with busy_programs(processors()):
        assert team.becomes(1)
    assert team.becomes(processors())
    assert min(team.seen) == 1
    assert max(team.seen) == processors()
