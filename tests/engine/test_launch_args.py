"""The command line of llama-server, for every plan there can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadOption
from engine.fit import TYPE_BYTES
from engine.launch_args import FORBIDDEN, launch_arguments
from engine.types import LoadedAdapter, LoadPlan, Tuning

SOCKET = Path("/run/jackdaw/llama-0a0b0c0d.sock")
KEY_FILE = Path("/run/jackdaw/llama-0a0b0c0d.key")
cache_types = st.none() | st.sampled_from(sorted(TYPE_BYTES))
counts = st.none() | st.integers(0, 512)

path_names = st.text(st.characters(exclude_characters="\0/:", exclude_categories=["Cs"]), min_size=1, max_size=40)
paths = path_names.map(lambda name: Path("/files") / name)
scales = st.floats(-10, 10)
adapters = st.builds(LoadedAdapter, id=st.just("a"), path=paths, scale=scales)

plans = st.builds(
    LoadPlan,
    context=st.integers(1, 4096).map(lambda steps: 256 * steps),
    slots=st.integers(1, 64),
    cache_type_k=cache_types,
    cache_type_v=cache_types,
    gpu_layers=counts,
    batch=st.none() | st.integers(1, 65536),
    pooling=st.sampled_from([None, "none", "mean", "cls", "last"]),
    cache_ram_mib=st.integers(0, 4096),
    checkpoints=counts,
    cpu_expert_layers=counts,
    draft=st.none() | paths,
    projector=st.none() | paths,
    adapters=st.lists(adapters, max_size=3).map(tuple),
)
tunings = st.builds(Tuning, threads=counts, threads_batch=counts, poll=st.none() | st.integers(0, 100))
file_names = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=40)
kinds = st.sampled_from(["chat", "embedding", "rerank"])


@given(plans, file_names | st.sampled_from(["--rpc", "--tools", "-hf"]), tunings, kinds)
def test_no_input_opens_a_door(plan: LoadPlan, name: str, tuning: Tuning, kind) -> None:
    model = Path("/models") / name
    arguments = launch_arguments(plan, model, SOCKET, KEY_FILE, alias="m", tuning=tuning, kind=kind)

    flags = [argument for argument in arguments if argument.startswith("-")]
    assert not [flag for flag in flags if flag != "--api-key-file" and flag.startswith(FORBIDDEN)]
    assert {"--offline", "--no-ui", "--api-key-file", "--no-kv-unified"} <= set(flags)
    assert len(flags) == len(set(flags))
    assert arguments[arguments.index("--host") + 1] == str(SOCKET)
    assert arguments[arguments.index("--model") + 1] == str(model)


@given(plans, kinds)
def test_every_slot_gets_the_planned_context(plan: LoadPlan, kind) -> None:
    arguments = launch_arguments(plan, Path("/m.gguf"), SOCKET, KEY_FILE, alias="m", tuning=Tuning(), kind=kind)

    total, slots = (int(arguments[arguments.index(flag) + 1]) for flag in ("--ctx-size", "--parallel"))
    assert total // slots == plan.context


def test_only_what_was_chosen_is_said() -> None:
    plan = LoadPlan(context=4096, slots=2, cache_ram_mib=64)
    arguments = launch_arguments(plan, Path("/m.gguf"), SOCKET, KEY_FILE, alias="m-1", tuning=Tuning(), kind="chat")
    assert arguments == (
        *("--model", "/m.gguf", "--host", str(SOCKET), "--api-key-file", str(KEY_FILE), "--alias", "m-1"),
        *("--offline", "--no-ui", "--ctx-size", "8192", "--parallel", "2", "--no-kv-unified", "--cache-ram", "64"),
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("chat", ()), ("embedding", ("--embeddings", "--pooling", "mean")), ("rerank", ("--rerank",))],
)
def test_each_kind_is_asked_for_by_its_flags(kind, expected: tuple[str, ...]) -> None:
    plan = LoadPlan(context=512, slots=1, batch=512, pooling="mean")
    arguments = launch_arguments(plan, Path("/m.gguf"), SOCKET, KEY_FILE, alias="m", tuning=Tuning(), kind=kind)
    assert arguments[arguments.index("--ubatch-size") + 2 :] == expected


@pytest.mark.parametrize(
    ("model", "socket", "alias"),
    [
        ("m.gguf", "/r/x.sock", "m"),
        ("/m.gguf", "r/x.sock", "m"),
        ("/m.gguf", "/r/x.socket", "m"),
        ("/m.gguf", "/r/x.sock", "--rpc"),
        ("/m.gguf", "/r/x.sock", "a,b"),
        ("/m.gguf", "/r/x.sock", ""),
    ],
)
def test_ambiguous_arguments_are_refused(model: str, socket: str, alias: str) -> None:
    plan = LoadPlan(context=512, slots=1)
    with pytest.raises(ValueError, match=r"absolute|\.sock|not a model id"):
        launch_arguments(plan, Path(model), Path(socket), KEY_FILE, alias=alias, tuning=Tuning(), kind="chat")


def beside(**chosen) -> tuple[str, ...]:
    plan = LoadPlan(context=512, slots=1, **chosen)
    arguments = launch_arguments(plan, Path("/m.gguf"), SOCKET, KEY_FILE, alias="m", tuning=Tuning(), kind="chat")
    return arguments[arguments.index("--cache-ram") + 2 :]


def test_files_beside_the_model_are_named() -> None:
    assert beside(draft=Path("/d.gguf")) == ("--model-draft", "/d.gguf", "--spec-type", "draft-simple")
    assert beside(projector=Path("/p.gguf")) == ("--mmproj", "/p.gguf")
    assert beside(cpu_expert_layers=12) == ("--n-cpu-moe", "12")
    assert beside(cpu_expert_layers=0) == ()


def split_like_llama_server(value: str) -> list[list[str]]:
    """parse_csv_row and string_split of llama.cpp's common/arg.cpp, for one argument of --lora-scaled."""
    fields, field, quoted, at = [], "", False, 0
    while at < len(value):
        letter = value[at]
        if letter == '"':
            if not quoted and field:
                field += letter
            elif not quoted:
                quoted = True
            elif value[at + 1 : at + 2] == '"':
                field, at = field + letter, at + 1
            else:
                quoted = False
        elif letter == "," and not quoted:
            fields, field = [*fields, field], ""
        else:
            field += letter
        at += 1
    return [one.split(":") for one in [*fields, field]]


@given(st.lists(adapters, min_size=1, max_size=4))
def test_llama_server_reads_every_adapter_and_scale_back(chosen: list[LoadedAdapter]) -> None:
    flag, value = beside(adapters=tuple(chosen))
    assert flag == "--lora-scaled"
    read = split_like_llama_server(value)
    assert [one[0] for one in read] == [str(adapter.path) for adapter in chosen]
    assert [float(one[1]) for one in read] == [pytest.approx(adapter.scale, rel=1e-5) for adapter in chosen]


def test_an_adapter_at_a_path_with_a_colon_is_refused_in_words() -> None:
    with pytest.raises(BadOption, match="colon") as refused:
        beside(adapters=(LoadedAdapter("poems", Path("/a:b/poems.gguf")),))
    assert refused.value.option == "adapters"


@pytest.mark.parametrize(
    "chosen", [{"draft": Path("d")}, {"projector": Path("p")}, {"adapters": (LoadedAdapter("a", Path("a")),)}]
)
def test_relative_companions_are_refused(chosen) -> None:
    with pytest.raises(ValueError, match="absolute"):
        beside(**chosen)
