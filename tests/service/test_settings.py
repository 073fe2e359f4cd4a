"""The settings: checked copies, one file that is never half written."""

from __future__ import annotations

import dataclasses
import os
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop.settings import FIELDS, Settings, SettingsError, SettingsFile, changed_settings, read, to_toml, write


def test_a_missing_file_means_defaults(tmp_path: Path) -> None:
    assert SettingsFile(tmp_path / "settings.toml").current == Settings()


def test_every_setting_has_help_and_says_whether_it_needs_a_restart() -> None:
    for field in dataclasses.fields(Settings):
        assert field.metadata["help"].endswith(".")
        assert isinstance(field.metadata["needs_restart"], bool)


def test_a_change_is_written_owner_only_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    SettingsFile(path).change({"port": 6000, "theme": "dark", "keep_serving": True})

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(path) == Settings(port=6000, theme="dark", keep_serving=True)
    assert [item.name for item in tmp_path.iterdir()] == ["settings.toml"]


def test_the_file_is_numbered_and_holds_only_what_differs() -> None:
    content = tomllib.loads(to_toml(Settings(port=6000)))
    assert content == {"version": 1, "port": 6000}


# What no request could be made for: found by asking for it.
NO_HOSTS = (
    "exa mple",
    "xn--",
    "\u2488.com",
    "a..b",
    "-",
    "[::1]x",
    "x\\y",
    "*",
    "ex%41mple",
    "a" * 64,
    "[fe80::1%25e]x",
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prot": 1}, "'prot'"),
        ({"port": 70_000}, "between 0 and 65535"),
        ({"port": "5225"}, "a whole number"),
        ({"port": True}, "a whole number"),
        ({"keep_serving": 1}, "true or false"),
        ({"theme": "pink"}, "system, light, dark"),
        ({"default_model": "a\nb"}, "one line"),
        ({"slots": 65}, "between 0 and 64"),
        ({"hub_endpoint": "http://huggingface.co"}, "https://"),
        ({"hub_endpoint": "https://me:secret@huggingface.co"}, "without user"),
        ({"hub_endpoint": "https://huggingface.co/?x=1"}, "without user"),
        ({"hub_endpoint": "ftp://huggingface.co"}, "https://"),
        ({"hub_endpoint": ""}, "https://"),
        ({"hub_endpoint": "https://[::1"}, "address"),
        ({"proxy": "proxy.example:3128"}, "http://proxy.example:3128"),
        ({"proxy": "http://me:secret@proxy.example"}, "without a user"),
        ({"proxy": "https://proxy.example:3128"}, "must be an http proxy, not https"),
        ({"proxy": "socks5://127.0.0.1:1080"}, "must be an http proxy, not socks5"),
        ({"proxy": "http://proxy example:3128"}, "http://proxy.example:3128"),
        *(({"hub_endpoint": f"https://{host}"}, "address|https://") for host in NO_HOSTS),
        ({"model_folders": f"/models{os.pathsep}more"}, "whole paths"),
        ({"download_parts": 0}, "between 1 and 16"),
        ({"air_gapped": "yes"}, "true or false"),
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    file = SettingsFile(tmp_path / "settings.toml")
    file.change({"port": 6000})

    with pytest.raises(SettingsError, match=said):
        file.change({"theme": "dark", **changes})

    assert file.current == Settings(port=6000)
    assert read(file.path) == Settings(port=6000)


def test_a_mistyped_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(SettingsError) as error:
        changed_settings(Settings(), {"idle_unlod_s": 1})
    assert "idle_unload_s" in error.value.hint


@pytest.mark.parametrize("text", ["port = ", "version = 2\n", "version = 1\nprot = 1\n", "port = -1\n", "\xff"])
def test_a_broken_file_is_refused_with_its_name_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(SettingsError, match=r"settings\.toml"):
        SettingsFile(path)

    assert path.read_bytes() == text.encode("latin-1")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "settings.toml"
    with pytest.raises(FileNotFoundError):
        write(path, Settings())
    path.parent.mkdir()
    (path.parent / "settings.toml").mkdir()  # a folder cannot be replaced by a file

    with pytest.raises(OSError, match="directory"):
        write(path, Settings())

    assert [item.name for item in path.parent.iterdir()] == ["settings.toml"]


@given(text=st.text(max_size=100))
def test_any_text_that_is_accepted_survives_the_file(text: str) -> None:
    try:
        settings = changed_settings(Settings(), {"default_model": text})
    except SettingsError:
        return
    content = tomllib.loads(to_toml(settings))
    assert content.get("default_model", "") == text


def test_the_field_table_is_the_dataclass() -> None:
    assert set(FIELDS) == {field.name for field in dataclasses.fields(Settings)}


@pytest.mark.parametrize(
    "changes",
    [
        {"hub_endpoint": "https://hub.example/mirror"},
        {"hub_endpoint": "http://127.0.0.1:8080"},
        {"hub_endpoint": "http://[::1]:8080"},
        {"proxy": "http://127.0.0.1:3128"},
        {"proxy": ""},
        {"model_folders": os.pathsep.join(["/models", "/srv/more models"])},
        {"disk_floor_gib": 0},
    ],
)
def test_what_the_network_and_the_disk_are_told_is_kept(tmp_path: Path, changes: dict[str, object]) -> None:
    path = tmp_path / "settings.toml"
    SettingsFile(path).change(changes)
    assert {name: getattr(read(path), name) for name in changes} == changes
