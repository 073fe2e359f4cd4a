"""Symbols of source code in every language with a sample, and the rules they follow."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

import pytest

from rag.reading.formats.code import symbols
from rag.reading.languages import LANGUAGES, FileType, file_type, refine
from rag.types import Block
from tests.rag.reading.conftest import Parse

_SAMPLE = re.compile(r"^## (\w+) in (\S+)\n\n```\n(.*?)```\n\n((?:- [^\n]*\n)*)", re.M | re.S)
SAMPLES = {
    found[1]: (found[2], found[3], [line[2:] for line in found[4].splitlines()])
    for found in _SAMPLE.finditer(Path(__file__).with_name("code_samples.md").read_text())
}


def named(blocks: tuple[Block, ...]) -> list[str]:
    return [": ".join(filter(None, (" › ".join(block.headings), block.name))) for block in blocks if block.name]


def held(text: str, blocks: tuple[Block, ...]) -> str:
    """The characters of all blocks in order, blanks left out."""
    return "".join("".join(text[block.start : block.end] for block in blocks).split())


def test_there_are_samples_of_more_languages_than_asked_for() -> None:
    assert sum(bool(sample[2]) for sample in SAMPLES.values()) >= 60
    assert set(SAMPLES) <= set(LANGUAGES)


@pytest.mark.parametrize("language", SAMPLES)
def test_symbols_are_found_with_container_and_signature(language: str) -> None:
    name, source, expected = SAMPLES[language]
    found = file_type(PurePath(name))
    assert found is not None
    assert refine(found, source) == FileType("code", language)
    blocks = symbols(source, language)
    assert set(expected) <= set(named(blocks))
    assert held(source, blocks) == "".join(source.split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_a_grammar_that_takes_anything(language: str) -> None:
    text = 'ä "x" {[( class Größe: def f(x) = 1\n# c\nend }\n' * 3
    blocks = symbols(text, language)
    assert held(text, blocks) == "".join(text.split())


def test_offsets_are_characters_and_comments_belong_to_what_follows(parsed: Parse) -> None:
    source = 'title = "Größe 🎉"\n\n# Gibt ä zurück.\n@cached\ndef ä() -> str:\n    return "ö"\n\n\nx = 1  # ü\n'
    document = parsed("a.py", source)
    blocks = [source[block.start : block.end] for block in document.blocks]
    assert blocks[1] == '# Gibt ä zurück.\n@cached\ndef ä() -> str:\n    return "ö"'
    assert document.blocks[1].name == "def ä() -> str"


def test_a_large_function_is_taken_apart_at_the_functions_in_it(parsed: Parse) -> None:
    body = "".join(f"    x{n} = {n}\n" for n in range(120))
    document = parsed("a.py", f"def outer(a):\n{body}\n    def inner(b):\n        return b\n\n    return inner\n")
    names = named(document.blocks)
    assert names == ["def outer(a)", "def outer(a): def inner(b)"]


def test_what_javascript_passes_as_values_is_found(parsed: Parse) -> None:
    body = "".join(f"    expect({n}).toBe({n});\n" for n in range(80))
    source = f"describe('Cart', () => {{\n  it('adds', () => {{\n{body}  }});\n}});\n"
    source += "exports.go = function (a) {\n  return a;\n};\n"
    names = named(parsed("a.test.js", source).blocks)
    assert names == ["describe('Cart', ()", "describe('Cart', (): it('adds', ()", "exports.go = function (a)"]


def test_headers_of_c_cpp_and_objective_c_are_told_apart() -> None:
    header = file_type(PurePath("a.h"))
    assert header is not None
    assert refine(header, "int add(int a);\n").language == "c"
    assert refine(header, "namespace a { class B; }\n").language == "cpp"
    assert refine(header, "@interface A : B\n@end\n").language == "objc"


def test_a_file_too_large_for_a_tree_is_read_by_lines(parsed: Parse) -> None:
    document = parsed("a.py", "x = 1\n" * 400_000)
    assert (document.blocks, document.language) == ((), "python")
