"""Which reader and which grammar a file is for, by its name and, where that says nothing, by its first bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class FileType:
    """`format` is the name of a reader, `language` the name of a tree-sitter grammar or "" when there is none."""

    format: str
    language: str = ""


# Suffixes of each format but code; a suffix is the lower-case end of the name, from its last dot on.
_FORMATS = {
    "markdown": "md markdown mdown mkd mdx rmd qmd",
    "rst": "rst rest",
    "outline": "adoc asciidoc org tex ltx",
    "html": "html htm xhtml",
    "pdf": "pdf",
    "docx": "docx docm dotx",
    "pptx": "pptx pptm potx ppsx",
    "xlsx": "xlsx xlsm xltx",
    "odf": "odt ott ods odp fodt fods fodp",
    "epub": "epub",
    "mail": "eml",
    "mbox": "mbox mbx",
    "csv": "csv tsv tab psv",
    "json": "json geojson webmanifest json5 jsonc har",
    "jsonl": "jsonl ndjson",
    "yaml": "yaml yml",
    "sections": "toml ini cfg conf properties env editorconfig desktop service",
    "xml": "xml xsd xsl xslt svg rss atom plist resx csproj vbproj fsproj props targets xaml wsdl dtd pom kml gpx",
    "log": "log out err trace",
    "notebook": "ipynb",
    "code": "cob cbl cpy",  # without a grammar: that of COBOL runs for ever on some texts
    "archive": "zip jar war apk whl egg",
    "text": "txt text srt vtt bib diff patch po pot",
}

# Suffixes of each grammar. Those that two languages share stand with the one that is seen more.
_CODE = {
    "ada": "adb ads ada",
    "apex": "cls trigger",
    "arduino": "ino",
    "asm": "asm s",
    "astro": "astro",
    "bash": "sh bash zsh ksh bats",
    "bicep": "bicep",
    "c": "c",
    "clojure": "clj cljs cljc edn",
    "cmake": "cmake",
    "commonlisp": "lisp lsp cl",
    "cpp": "cpp cc cxx c++ hpp hh hxx h++ ipp inl tpp h",
    "csharp": "cs csx",
    "css": "css",
    "cuda": "cu cuh",
    "d": "d di",
    "dart": "dart",
    "dockerfile": "dockerfile containerfile",
    "elisp": "el",
    "elixir": "ex exs",
    "elm": "elm",
    "erlang": "erl hrl",
    "fish": "fish",
    "fortran": "f f77 f90 f95 f03 f08 for",
    "fsharp": "fs fsx",
    "gdscript": "gd",
    "gleam": "gleam",
    "glsl": "glsl vert frag comp geom",
    "go": "go",
    "graphql": "graphql gql graphqls",
    "groovy": "groovy gradle gvy",
    "haskell": "hs lhs",
    "haxe": "hx",
    "hcl": "hcl nomad",
    "hlsl": "hlsl fx",
    "java": "java",
    "javascript": "js jsx mjs cjs",
    "julia": "jl",
    "kotlin": "kt kts",
    "lua": "lua",
    "make": "mk mak",
    "matlab": "m",
    "meson": "meson",
    "nim": "nim nims",
    "nix": "nix",
    "objc": "mm",
    "ocaml": "ml",
    "ocaml_interface": "mli",
    "odin": "odin",
    "pascal": "pas pp dpr lpr",
    "perl": "pl pm t",
    "php": "php php5 phtml",
    "powershell": "ps1 psm1 psd1",
    "prisma": "prisma",
    "proto": "proto",
    "puppet": "puppet",
    "purescript": "purs",
    "python": "py pyi pyw pyx pxd pxi",
    "qmljs": "qml",
    "r": "r",
    "racket": "rkt",
    "rego": "rego",
    "ruby": "rb rake gemspec ru podspec",
    "rust": "rs",
    "scala": "scala sc sbt",
    "scheme": "scm ss",
    "scss": "scss",
    "solidity": "sol",
    "sql": "sql ddl dml",
    "starlark": "bzl bazel star",
    "svelte": "svelte",
    "swift": "swift",
    "tcl": "tcl",
    "terraform": "tf tfvars",
    "thrift": "thrift",
    "tsx": "tsx",
    "typescript": "ts mts cts",
    "v": "v",
    "verilog": "sv svh vh",
    "vhdl": "vhd vhdl",
    "vim": "vim",
    "vue": "vue",
    "wgsl": "wgsl",
    "zig": "zig",
}

_NAMES = {
    "makefile": FileType("code", "make"),
    "gnumakefile": FileType("code", "make"),
    "dockerfile": FileType("code", "dockerfile"),
    "containerfile": FileType("code", "dockerfile"),
    "cmakelists.txt": FileType("code", "cmake"),
    "meson.build": FileType("code", "meson"),
    "rakefile": FileType("code", "ruby"),
    "gemfile": FileType("code", "ruby"),
    "podfile": FileType("code", "ruby"),
    "vagrantfile": FileType("code", "ruby"),
    "jenkinsfile": FileType("code", "groovy"),
    "build": FileType("code", "starlark"),
    "workspace": FileType("code", "starlark"),
    "sconstruct": FileType("code", "python"),
    "sconscript": FileType("code", "python"),
    ".bashrc": FileType("code", "bash"),
    ".profile": FileType("code", "bash"),
    ".zshrc": FileType("code", "bash"),
    ".vimrc": FileType("code", "vim"),
    ".gitconfig": FileType("sections"),
    ".editorconfig": FileType("sections"),
    "pipfile": FileType("sections"),
    "cargo.lock": FileType("sections"),
    "poetry.lock": FileType("sections"),
}

_INTERPRETERS = (
    (re.compile(r"python|pypy"), "python"),
    (re.compile(r"(ba|z|k|da|a)?sh$"), "bash"),
    (re.compile(r"fish"), "fish"),
    (re.compile(r"node|deno|bun"), "javascript"),
    (re.compile(r"ruby"), "ruby"),
    (re.compile(r"perl"), "perl"),
    (re.compile(r"php"), "php"),
    (re.compile(r"lua"), "lua"),
    (re.compile(r"Rscript"), "r"),
    (re.compile(r"julia"), "julia"),
    (re.compile(r"tclsh|wish"), "tcl"),
    (re.compile(r"groovy"), "groovy"),
    (re.compile(r"elixir"), "elixir"),
    (re.compile(r"escript"), "erlang"),
    (re.compile(r"pwsh"), "powershell"),
    (re.compile(r"make"), "make"),
)
_SHEBANG = re.compile(r"#!\s*(?:\S*/)?(?:env\s+(?:-S\s+)?(?:\w+=\S*\s+)*)?(?:\S*/)?([\w.+-]+)")

_BY_SUFFIX = {
    **{suffix: FileType(name) for name, suffixes in _FORMATS.items() for suffix in suffixes.split()},
    **{suffix: FileType("code", name) for name, suffixes in _CODE.items() for suffix in suffixes.split()},
}

LANGUAGES = tuple(_CODE)


def file_type(path: PurePath) -> FileType | None:
    """What the name says; None when it says nothing."""
    name = path.name.lower()
    if known := _NAMES.get(name):
        return known
    if name.startswith(("dockerfile.", "containerfile.")):
        return FileType("code", "dockerfile")
    suffix = name.rpartition(".")[2] if "." in name else ""
    if suffix.isdecimal():  # server.log.3
        suffix = name.split(".")[-2]
    return _BY_SUFFIX.get(suffix)


def type_by_content(text: str) -> FileType:
    """What the beginning of a text says: a program by its first line, a log by its dates, else plain text."""
    if found := _SHEBANG.match(text):
        for pattern, language in _INTERPRETERS:
            if pattern.match(found[1]):
                return FileType("code", language)
    beginning = text[:256].lstrip().lower()
    if beginning.startswith(("<!doctype html", "<html")):
        return FileType("html")
    return FileType("xml") if beginning.startswith("<?xml") else FileType("text")


def refine(found: FileType, text: str) -> FileType:
    """Tell languages apart that share a suffix, by words only one of them has."""
    language = found.language
    if language == "cpp" and not _CPP_ONLY.search(text, 0, _LOOKED_AT):
        return FileType("code", "objc" if _OBJC_ONLY.search(text, 0, _LOOKED_AT) else "c")
    if language == "matlab" and _OBJC_ONLY.search(text, 0, _LOOKED_AT):
        return FileType("code", "objc")
    if language == "v" and _VERILOG_ONLY.search(text, 0, _LOOKED_AT):
        return FileType("code", "verilog")
    if language == "perl" and _PROLOG_ONLY.search(text, 0, _LOOKED_AT):
        return FileType("code")
    return found


_LOOKED_AT = 100_000
_CPP_ONLY = re.compile(
    r"^\s*(?:class|namespace|template|using|public|private|protected)\b|\w::\w|\bstd::|#include\s*<\w+>|\bconstexpr\b",
    re.M,
)
_OBJC_ONLY = re.compile(r"^\s*(?:@interface|@implementation|@protocol|@import|@class)\b|^\s*#import\b", re.M)
_VERILOG_ONLY = re.compile(r"^\s*(?:module\s+\w+\s*[#(;]|endmodule|`timescale)", re.M)
_PROLOG_ONLY = re.compile(r"^:-\s", re.M)
