"""What the page says and in which order, decided without a window."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop.qt.models.discover_words import Wishes, catalogue_cards, count_words, hub_cards, suggested_cards
from desktop.qt.models.drops import sort_paths
from desktop.qt.models.finder import Query, parse_query
from desktop.qt.models.fit_words import context_steps, context_words, expert_layers, largest_words, nearest_step
from desktop.qt.models.hub_words import Place, fit_tag, guessed_verdict, in_count
from desktop.qt.models.job_words import far_words, grouped_jobs, job_acts, job_card, model_of, running_card
from desktop.qt.models.local_words import local_card, shown_models
from desktop.qt.models.repo_words import access_words, action_of, in_window, repo_facts, short_speed, variant_look
from desktop.qt.models.store_words import duplicate_card, found_cards, merge_words, removal_words, unused_models
from desktop.qt.models.token_dialog import token_words
from desktop.wire import Memory
from desktop.wire_models import (
    CatalogueModel,
    Details,
    DiskModel,
    Duplicate,
    FoundModel,
    HubToken,
    StoreReport,
    StoreSeen,
    Suggestion,
)
from tests.qt.models.samples import GB, a_catalogue_model, a_fit, a_found_repo, a_job, a_model, a_repo, a_variant

MEMORY = 16 * GB
PLACE = Place(MEMORY, {})


def test_a_query_takes_its_filters_out_of_the_words() -> None:
    query = parse_query("coder author:Qwen licence:apache-2.0 arch:qwen2 small", "code", "likes")

    assert query == Query("coder small", "Qwen", "apache-2.0", "qwen2", "code", "likes")
    assert parse_query("", "reasoning").task == "chat"  # the Hub knows no such task


@pytest.mark.parametrize(("size", "verdict"), [(5 * GB, "fits"), (10 * GB, "tight"), (14 * GB, "too_large"), (0, None)])
def test_a_size_alone_is_judged_against_all_memory(size: int, verdict: str | None) -> None:
    assert guessed_verdict(size, MEMORY) == verdict


def test_fit_is_said_with_numbers_a_word_and_an_icon() -> None:
    tag = fit_tag("tight", int(10.2 * GB), MEMORY)

    assert tag is not None
    assert (tag.text, tag.tone, tag.icon) == ("Tight: 10.2 of 16 GB", "warning", "triangle-alert")
    assert fit_tag(None, GB, MEMORY) is None


def test_the_catalogue_is_kept_within_task_size_and_memory() -> None:
    models = [
        a_catalogue_model("a/small", file_bytes=2 * GB, verdict="fits", tasks=["code"]),
        a_catalogue_model("a/large", file_bytes=40 * GB, verdict="too_large"),
        a_catalogue_model("a/thinker", file_bytes=5 * GB, verdict="fits", about="Thinks before it answers."),
    ]

    def keys(wishes: Wishes) -> list[str]:
        return [card.subject for card in catalogue_cards(models, wishes, PLACE)]

    assert keys(Wishes()) == ["a/small", "a/large", "a/thinker"]
    assert keys(Wishes(fitting=True)) == ["a/small", "a/thinker"]
    assert keys(Wishes(most_bytes=3 * GB)) == ["a/small"]
    assert keys(Wishes(task="code")) == ["a/small"]
    assert keys(Wishes(task="reasoning")) == ["a/thinker"]
    assert keys(Wishes(sort=1)) == ["a/large", "a/thinker", "a/small"]


def test_a_suggestion_gives_its_reason_and_stands_once() -> None:
    model = a_catalogue_model("a/small")
    suggestions = [Suggestion(task=task, model=model, reason=f"Good for {task}.") for task in ("chat", "code")]

    (card,) = suggested_cards(suggestions, Wishes(), PLACE)
    (code,) = suggested_cards(suggestions, Wishes(task="code"), PLACE)

    assert card.about == "Good for chat." and code.about == "Good for code."


def test_results_of_unknown_size_are_never_left_out() -> None:
    models = [a_found_repo("a/known", params=70_000_000_000), a_found_repo("a/unknown", params=None)]

    assert [card.subject for card in hub_cards(models, Wishes(fitting=True), PLACE)] == ["a/unknown"]


def test_what_is_installed_is_loaded_and_not_downloaded_again() -> None:
    place = Place(MEMORY, {"m": a_model("m", loaded=True, state="ready")})

    (card,) = catalogue_cards([a_catalogue_model("a/b", installed="m")], Wishes(), place)

    assert card.badge is not None and card.badge.text == "In use"
    assert [act.id for act in card.shown_acts] == ["unload"]


def test_headings_count_what_stands_below() -> None:
    assert count_words(212, Wishes(fitting=True)) == "212 models fit this computer"
    assert count_words(1, Wishes(fitting=True)) == "1 model fits this computer"
    assert count_words(50, Wishes(task="code"), more=True) == "50+ models for code"
    assert in_count(1_234_567) == "1.2M"


def test_a_download_says_how_far_how_fast_and_how_long() -> None:
    job = a_job(done=int(4.41 * GB), total=int(8.99 * GB), rate=38e6, seconds_left=121)

    assert far_words(job) == "4.41 of 8.99 GB  ·  38 MB/s  ·  2 min left"
    assert far_words(a_job(unit="layers", done=18, total=28, seconds_left=50)) == "Layer 18 of 28  ·  50 s left"


@pytest.mark.parametrize(
    ("state", "acts"),
    [
        ("running", ["pause", "cancel"]),
        ("paused", ["resume", "cancel"]),
        ("interrupted", ["resume", "cancel"]),
        ("failed", ["resume"]),
        ("cancelled", []),
    ],
)
def test_each_state_of_a_job_offers_what_is_possible(state: str, acts: list[str]) -> None:
    job = a_job(state=state, can_pause=True, can_resume=True, error="It broke." if state == "failed" else "")

    assert [act.id for act in job_acts(job)] == acts
    assert all(act.title for act in job_acts(job))
    assert job_card(job).problem == ("It broke." if state == "failed" else "")


def test_a_finished_job_leads_to_what_it_brought() -> None:
    done = a_job(state="done", result={"model": {"id": "tiny"}})

    assert model_of(done) == "tiny"
    assert [act.id for act in job_acts(done)] == ["open"]
    assert [name for name, _ in grouped_jobs([done, a_job(id="b"), a_job(id="c", state="paused")])] == [
        "Running",
        "Waiting for you",
        "Finished",
    ]


def test_running_work_wears_the_card_of_its_model() -> None:
    (known,) = catalogue_cards([a_catalogue_model("a/b", about="What it is good for.")], Wishes(), PLACE)

    card = running_card(a_job(subject="a/b"), known)

    assert (card.title, card.about, card.kind) == (known.title, "What it is good for.", "job")
    assert card.progress is not None


def test_the_library_is_filtered_and_sorted() -> None:
    models = [
        a_model("b", name="Beta", bytes=2 * GB, added_at=2.0),
        a_model("a", name="Alpha", bytes=GB, added_at=1.0, loaded=True),
        a_model("e", name="Embed", kind="embedding", bytes=GB),
    ]

    assert [model.id for model in shown_models(models, "")] == ["a", "b", "e"]
    assert next(model.id for model in shown_models(models, "", sort=2)) == "b"
    assert [model.id for model in shown_models(models, "", kind=2)] == ["e"]
    assert [model.id for model in shown_models(models, "bet")] == ["b"]


def test_a_local_card_tells_quality_speed_and_why_it_failed() -> None:
    model = a_model("a", quant="Q4_K_M", kl_divergence=0.0213, tokens_per_s=20.0, speed_source="predicted")
    memory = Memory(total_bytes=MEMORY, available_bytes=9 * GB, engine_bytes=0)

    card = local_card(model, memory, [], busy=False, failure="It is out of memory.")

    words = [tag.text for tag in card.tags]
    assert "KLD 0.021" in words and "about 20.0 tok/s" in words and "Q4_K_M" in words
    assert card.problem == "It is out of memory."
    assert next(act.id for act in card.acts if act.delete) == "remove"
    assert "Enter: Load" in card.spoken


def test_a_variant_is_judged_by_its_header_once_that_is_known() -> None:
    variant = a_variant("Q4_K_M", 9 * GB)

    assert variant_look(variant, None, MEMORY).words == "tight"
    look = variant_look(variant, a_fit("fits", needed=int(5.5 * GB), speed=11.3), MEMORY)
    assert (look.words, look.token) == ("fits, 11 tok/s", "accent")
    assert look.share == pytest.approx(5.5 / 16)
    assert variant_look(variant, a_fit("too_large"), MEMORY).words == "too large here"
    assert [short_speed(speed) for speed in (0.55, 9.0, 180.0)] == ["0.55", "9", "180"]


def test_the_main_button_says_what_is_nearest() -> None:
    assert action_of(a_variant("Q8_0", 2 * GB)) == ("download", "Download 2.00 GB")
    assert action_of(a_variant("Q8_0", GB, on_disk="/ollama/blob"))[0] == "in_place"
    assert action_of(a_variant("Q8_0", GB, installed="m"))[0] == "use"
    assert action_of(None) == ("", "Download")


def test_what_stands_before_a_repo_comes_with_one_thing_to_do() -> None:
    files = a_variant("Q8_0", GB)

    assert access_words(a_repo("a/b", files)) is None
    assert access_words(a_repo("a/b", convertible=True)) is None
    gated, licence = (access_words(a_repo("a/b", files, access=access)) for access in ("log_in", "accept_licence"))
    assert gated is not None and gated.action == "Log in…"
    assert licence is not None and licence.action == "Open the page"
    nothing = access_words(a_repo("a/b", convert_problem="Only pickle files."))
    assert nothing is not None and nothing.hint == "Only pickle files." and not nothing.action


def test_facts_say_what_is_known_and_what_was_never_measured() -> None:
    facts = {
        fact.name: fact for fact in repo_facts(a_repo("a/b", licence="apache-2.0"), a_variant("Q8_0", GB), None, None)
    }

    assert facts["Licence"].value == "Apache 2.0"
    assert facts["Quality loss"].value == "not measured yet"
    assert facts["Checksum"].value == "verified after download"
    assert facts["Source"].link == "https://hub.example/a/b" and facts["Source"].value == "hub.example"


def test_contexts_double_up_to_what_was_trained() -> None:
    steps = context_steps(8192)

    assert steps[0] == 512 and steps[-1] == 8192 and steps == sorted(set(steps))
    assert steps[nearest_step(steps, 5000)] == 4096
    assert context_steps(300) == [512]
    fit = a_fit("tight", largest=4096, trained=32768)
    assert context_words(8192, fit) == "8k tokens, at most 4k fit"
    assert largest_words(fit) == "Up to 4,096 tokens fit now."


def test_only_a_mixture_of_experts_has_experts_to_move() -> None:
    mixture = {"qwen3moe.expert_count": 128, "qwen3moe.block_count": 48}

    assert expert_layers(Details(id="a", metadata=mixture)) == 48
    assert expert_layers(Details(id="a", metadata={"qwen3.block_count": 48})) == 0
    assert expert_layers(None) == 0


def test_consent_to_merging_names_every_file_and_what_happens() -> None:
    paths = ["/ollama/blobs/sha256-aa", "/lm-studio/a.gguf", "/cache/b.gguf"]
    duplicate = Duplicate(
        sha256="aa", bytes=GB, paths=paths, stores=["ollama", "lm-studio"], wasted_bytes=2 * GB, method="hardlink"
    )

    words = merge_words(duplicate)

    assert all(path in words for path in paths)
    assert "2.00 GB become free" in words and "changes all of them" in words and "no others" in words
    assert duplicate_card(duplicate).title == "a.gguf"
    apart = duplicate.model_copy(update={"method": "", "problem": "They lie on different disks."})
    assert duplicate_card(apart).acts == () and "different disks" in duplicate_card(apart).problem


def test_removing_says_what_becomes_free_and_who_shares_it() -> None:
    shared = DiskModel(id="a", name="A", path="/a", store="jackdaw", bytes=0, file_bytes=GB, shared_with=["/b"])

    assert "/b" in removal_words(shared, "/a", deletes=True)
    assert removal_words(shared, "/x/a.gguf", deletes=False) == "The file stays at /x/a.gguf."


def test_dropped_paths_are_told_apart(tmp_path: Path) -> None:
    checkpoint, adapter, folder = tmp_path / "llama", tmp_path / "lora", tmp_path / "models"
    for path in (checkpoint, adapter, folder):
        path.mkdir()
    (checkpoint / "config.json").write_text("{}")
    (checkpoint / "model.safetensors").touch()
    (adapter / "adapter_config.json").write_text("{}")
    file = tmp_path / "a.gguf"

    dropped = sort_paths([file, checkpoint, adapter, folder, checkpoint / "model.safetensors"])

    assert dropped.files == [file]
    assert dropped.checkpoints == [checkpoint]  # once, although a file of it was dropped as well
    assert dropped.adapters == [adapter]
    assert dropped.folders == [folder]


def test_the_token_is_told_of_but_never_told() -> None:
    kept = HubToken(present=True, kept="keyring", user="ada")

    assert token_words(kept) == "A token for ada is kept in this system's keyring."
    assert "until Jackdaw's service ends" in token_words(HubToken(present=True, kept="session"))
    assert "no keyring" in token_words(HubToken(present=False, problem="there is no keyring."))


def test_catalogue_models_speak_for_screen_readers() -> None:
    model: CatalogueModel = a_catalogue_model("a/b", verdict="fits", needed_bytes=3 * GB)
    (card,) = catalogue_cards([model], Wishes(), PLACE)

    assert "Fits: 3 of 16 GB" in card.spoken and card.spoken.endswith("Enter: Download")


def found(path: str, store: str, **more: object) -> FoundModel:
    facts = {"name": path.rpartition("/")[2], "label": path, "bytes": GB, "arch": "llama", **more}
    return FoundModel(path=path, store=store, **facts)


def test_of_each_content_one_is_used_and_what_the_library_has_is_said_to_be_the_same() -> None:
    there, twin = found("/o/blob", "ollama", model_id="llama3.2-3b"), found("/l/a.gguf", "lm-studio")
    new, again = found("/o/new", "ollama"), found("/l/new.gguf", "lm-studio")
    half = found(f"/o/sha256-{'ab' * 32}-partial", "ollama", problem="Its download is not finished.", arch="")
    pairs = ((there, twin), (new, again))
    duplicates = [
        Duplicate(sha256=str(n), bytes=GB, paths=[a.path, b.path], stores=[], wasted_bytes=GB, method="hardlink")
        for n, (a, b) in enumerate(pairs)
    ]
    seen = [StoreSeen(store=store, folder=f"/{store[0]}", models=2, bytes=GB) for store in ("ollama", "lm-studio")]
    report = StoreReport(
        scanned_at=1.0, stores=seen, models=[there, twin, new, again, half], duplicates=duplicates, unhashed=0
    )

    cards = {card.subject: card for card in found_cards(report) if card.kind == "found"}

    assert unused_models(report) == [new]
    assert cards[twin.path].tags[-1].text == "Same as llama3.2-3b" and cards[twin.path].acts[0].id == "open"
    assert cards[there.path].tags[-1].text == "In the library"
    assert cards[half.path].title == "Unfinished download" and not cards[half.path].acts
    assert all(card.about_is_path for card in cards.values())


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        ("Log in with `jackdaw hub login`.", "Log in."),
        (
            "Check the name; a private one needs a token: `jackdaw hub login`.",
            "Check the name; a private one needs a token.",
        ),
        ("Try again later.", "Try again later."),
    ],
)
def test_a_next_step_names_no_command_of_the_terminal(hint: str, shown: str) -> None:
    assert in_window(hint) == shown
    assert job_card(a_job(state="failed", error="No.", hint=hint)).problem == f"No. {shown}"


def test_files_that_share_their_room_already_are_no_problem() -> None:
    problem = "They are one file already."
    shared = Duplicate(
        sha256="aa", bytes=GB, paths=["/a", "/b"], stores=["ollama"], wasted_bytes=0, method="", problem=problem
    )

    card = duplicate_card(shared)

    assert card.problem == "" and card.acts == ()
    assert [tag.text for tag in card.tags] == ["1.00 GB", "Takes its room once"]


def test_a_job_that_ended_says_no_more_where_it_was() -> None:
    running = a_job(state="running", message="Comparing a.gguf")

    assert job_card(running).about == "Comparing a.gguf"
    assert job_card(running.model_copy(update={"state": "done"})).about == ""
