"""A few lines of each language, with the symbols that are to be found: containers, a colon, then the signature."""

from __future__ import annotations

SAMPLES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "python": (
        "a.py",
        '"""Doc."""\nimport os\n\n\n@cached\ndef load(path: str) -> bytes:\n    return b""\n\n\nclass Cache(Base):\n    """Keeps."""\n\n    size = 1\n\n'
        "    async def get(self, key: str) -> int | None:\n        return 1\n\n    @property\n    def full(self) -> bool:\n        return False\n",
        (
            "def load(path: str) -> bytes",
            "class Cache(Base)",
            "class Cache(Base): async def get(self, key: str) -> int | None",
            "class Cache(Base): def full(self) -> bool",
        ),
    ),
    "javascript": (
        "a.js",
        "import x from 'y';\n// Adds.\nexport function add(a, b) { return a + b; }\nclass Cart extends Base {\n  total() { return 1; }\n}\nconst mul = (a, b) => {\n  return a * b;\n};\nmodule.exports = { add };\n",
        (
            "export function add(a, b)",
            "class Cart extends Base",
            "class Cart extends Base: total()",
            "const mul = (a, b)",
        ),
    ),
    "typescript": (
        "a.ts",
        "export interface Point { x: number; y: number }\ntype Id = string | number;\nenum Color { Red }\nnamespace Geo {\n  export function far(a: Point): number { return 1; }\n}\nabstract class Shape<T> implements Thing {\n  constructor(private id: Id) {}\n  area(): number { return 0; }\n}\n",
        (
            "export interface Point",
            "type Id = string | number",
            "enum Color",
            "namespace Geo: export function far(a: Point): number",
            "abstract class Shape<T> implements Thing: area(): number",
        ),
    ),
    "tsx": (
        "a.tsx",
        "export default function App(props: P) {\n  return <div>{props.a}</div>;\n}\n",
        ("export default function App(props: P)",),
    ),
    "java": (
        "A.java",
        "package a.b;\nimport java.util.*;\n/** Doc. */\npublic class Cart<T> extends Base {\n  private int n;\n  @Override\n  public int total(int a) throws E { return n; }\n  interface Inner { void go(); }\n}\nenum Color { RED }\nrecord P(int x) {}\n",
        (
            "public class Cart<T> extends Base",
            "public class Cart<T> extends Base: public int total(int a) throws E",
            "public class Cart<T> extends Base: interface Inner",
            "enum Color",
            "record P(int x)",
        ),
    ),
    "c": (
        "a.c",
        "#include <stdio.h>\n/* Adds. */\nstatic int add(int a, int b)\n{\n    return a + b;\n}\nstruct point { int x; };\ntypedef struct { int y; } other;\nenum color { RED };\n#ifdef X\nvoid guarded(void) { }\n#endif\n",
        ("static int add(int a, int b)", "struct point", "enum color", "void guarded(void)"),
    ),
    "cpp": (
        "a.cpp",
        "#include <vector>\nnamespace geo {\ntemplate <class T>\nclass Shape : public Base {\n public:\n  int area() const { return 0; }\n};\nint Shape<int>::far(int a) { return a; }\n}\n",
        (
            "namespace geo: template <class T> class Shape : public Base",
            "namespace geo › template <class T> class Shape : public Base: int area() const",
            "namespace geo: int Shape<int>::far(int a)",
        ),
    ),
    "csharp": (
        "a.cs",
        "using System;\nnamespace A.B {\n  public class Cart : Base {\n    public int Total(int a) { return a; }\n    public int Size { get; set; }\n  }\n  interface IThing { void Go(); }\n  enum Color { Red }\n}\n",
        (
            "namespace A.B: public class Cart : Base",
            "namespace A.B › public class Cart : Base: public int Total(int a)",
            "namespace A.B: interface IThing",
            "namespace A.B: enum Color",
        ),
    ),
    "go": (
        "a.go",
        'package main\n\nimport "fmt"\n\n// Add adds.\nfunc Add(a, b int) int {\n\treturn a + b\n}\n\ntype Cart struct {\n\tn int\n}\n\nfunc (c *Cart) Total() int { return c.n }\n',
        ("func Add(a, b int) int", "type Cart struct", "func (c *Cart) Total() int"),
    ),
    "rust": (
        "a.rs",
        "use std::io;\n/// Adds.\n#[inline]\npub fn add(a: i32) -> i32 { a }\npub struct Cart { n: i32 }\nimpl Cart {\n    pub fn total(&self) -> i32 { self.n }\n}\ntrait Thing { fn go(&self); }\nenum Color { Red }\nmod inner {\n    fn hidden() {}\n}\nmacro_rules! m { () => {} }\n",
        (
            "pub fn add(a: i32) -> i32",
            "pub struct Cart",
            "impl Cart: pub fn total(&self) -> i32",
            "trait Thing",
            "enum Color",
            "mod inner: fn hidden()",
            "macro_rules! m",
        ),
    ),
    "ruby": (
        "a.rb",
        "require 'x'\nmodule Geo\n  # Shape.\n  class Shape < Base\n    def area(a)\n      1\n    end\n    def self.make\n    end\n  end\nend\ndef top\nend\n",
        (
            "module Geo: class Shape < Base",
            "module Geo › class Shape < Base: def area(a)",
            "module Geo › class Shape < Base: def self.make",
            "def top",
        ),
    ),
    "php": (
        "a.php",
        "<?php\nnamespace A;\nuse B;\nfunction add($a) { return $a; }\nclass Cart extends Base {\n  public function total(): int { return 1; }\n}\ninterface Thing { function go(); }\ntrait T { }\n",
        ("function add($a)", "class Cart extends Base: public function total(): int", "interface Thing", "trait T"),
    ),
    "swift": (
        "a.swift",
        "import Foundation\nfunc add(_ a: Int) -> Int { return a }\nclass Cart: Base {\n  func total() -> Int { 1 }\n}\nstruct P { var x: Int }\nprotocol Thing { func go() }\nextension P { func far() {} }\n",
        (
            "func add(_ a: Int) -> Int",
            "class Cart: Base: func total() -> Int",
            "struct P",
            "protocol Thing",
            "extension P: func far()",
        ),
    ),
    "kotlin": (
        "a.kt",
        "package a\nfun add(a: Int): Int = a\nclass Cart : Base() {\n  fun total(): Int { return 1 }\n}\nobject One { fun go() {} }\ninterface Thing\n",
        ("fun add(a: Int): Int", "class Cart : Base(): fun total(): Int", "object One: fun go()", "interface Thing"),
    ),
    "scala": (
        "a.scala",
        "package a\nclass Cart(n: Int) extends Base {\n  def total(a: Int): Int = n\n}\nobject One { def go(): Unit = {} }\ntrait Thing\n",
        ("class Cart(n: Int) extends Base: def total(a: Int): Int", "object One: def go(): Unit", "trait Thing"),
    ),
    "dart": (
        "a.dart",
        "import 'x';\nint add(int a) {\n  return a;\n}\nclass Cart extends Base {\n  int n = 0;\n  int total() {\n    return n;\n  }\n}\nenum Color { red }\n",
        ("int add(int a)", "class Cart extends Base: int total()", "enum Color"),
    ),
    "lua": (
        "a.lua",
        "local M = {}\nlocal function add(a)\n  return a\nend\nfunction M.total(b)\n  return b\nend\nreturn M\n",
        ("local function add(a)", "function M.total(b)"),
    ),
    "perl": (
        "a.pl",
        "use strict;\npackage Cart;\nsub total {\n  my $a = shift;\n  return $a;\n}\n1;\n",
        ("sub total",),
    ),
    "r": ("a.r", "library(x)\nadd <- function(a, b) {\n  a + b\n}\nadd(1, 2)\n", ("add <- function(a, b)",)),
    "julia": (
        "a.jl",
        "module Geo\nfunction add(a::Int)\n  a\nend\nstruct P\n  x::Int\nend\nend\n",
        ("module Geo: function add(a::Int)", "module Geo: struct P"),
    ),
    "haskell": (
        "a.hs",
        "module A where\nimport B\ndata Color = Red | Blue\nclass Thing a where\n  go :: a -> Int\nadd :: Int -> Int\nadd a = a + 1\nadd 0 = 2\n",
        ("data Color = Red | Blue", "class Thing a", "add :: Int -> Int"),
    ),
    "ocaml": (
        "a.ml",
        "open B\ntype color = Red | Blue\nlet add a b =\n  a + b\nmodule Geo = struct\n  let far x = x\nend\n",
        ("type color", "let add a b", "module Geo: let far x"),
    ),
    "elixir": (
        "a.ex",
        'defmodule Geo do\n  @moduledoc "x"\n  def add(a, b) do\n    a + b\n  end\n  defp hidden(x), do: x\nend\n',
        ("defmodule Geo: def add(a, b)", "defmodule Geo: defp hidden(x), do: x"),
    ),
    "erlang": (
        "a.erl",
        "-module(a).\n-record(p, {x}).\nadd(A, B) ->\n  A + B.\ntotal([]) -> 0;\ntotal([H|T]) -> H + total(T).\n",
        ("add(A, B)", "total([])"),
    ),
    "clojure": (
        "a.clj",
        "(ns a.b)\n(defn add [a b]\n  (+ a b))\n(def x 1)\n(add 1 2)\n",
        ("(defn add [a b]", "(def x 1)"),
    ),
    "commonlisp": (
        "a.lisp",
        "(in-package :a)\n(defun add (a b)\n  (+ a b))\n(defclass cart () ())\n",
        ("(defun add (a b)", "(defclass cart () ())"),
    ),
    "elisp": ("a.el", '(require \'x)\n(defun add (a b)\n  "Adds."\n  (+ a b))\n', ("(defun add (a b)",)),
    "scheme": ("a.scm", "(define (add a b)\n  (+ a b))\n", ("(define (add a b)",)),
    "bash": (
        "a.sh",
        "#!/bin/bash\nset -e\n# Adds.\nadd() {\n  echo $1\n}\nfunction total {\n  add 1\n}\nadd 1\n",
        ("add()", "function total"),
    ),
    "fish": ("a.fish", "function add\n  echo 1\nend\n", ("function add",)),
    "powershell": (
        "a.ps1",
        "function Add-One($a) {\n  return $a + 1\n}\nclass Cart {\n  [int] Total() { return 1 }\n}\n",
        ("function Add-One($a)", "class Cart: [int] Total()"),
    ),
    "sql": (
        "a.sql",
        "-- Users.\nCREATE TABLE users (id INT);\nSELECT * FROM users;\nCREATE VIEW v AS SELECT 1;\n",
        ("CREATE TABLE users (id INT)", "CREATE VIEW v AS SELECT 1"),
    ),
    "zig": (
        "a.zig",
        'const std = @import("std");\npub fn add(a: i32) i32 {\n    return a;\n}\nconst P = struct {\n    x: i32,\n    fn far(self: P) i32 { return self.x; }\n};\n',
        ("pub fn add(a: i32) i32", "const P: fn far(self: P) i32"),
    ),
    "nim": (
        "a.nim",
        "import x\nproc add(a: int): int =\n  a + 1\ntype\n  P = object\n    x: int\n",
        ("proc add(a: int): int",),
    ),
    "d": (
        "a.d",
        "module a;\nint add(int a) { return a; }\nclass Cart : Base {\n  int total() { return 1; }\n}\n",
        ("int add(int a)", "class Cart : Base: int total()"),
    ),
    "fortran": (
        "a.f90",
        "module geo\ncontains\nsubroutine add(a)\n  integer :: a\nend subroutine\nfunction far(x)\n  far = x\nend function\nend module\n",
        ("module geo: subroutine add(a)", "module geo: function far(x)"),
    ),
    "ada": (
        "a.adb",
        "package body Geo is\n   procedure Add (A : Integer) is\n   begin\n      null;\n   end Add;\nend Geo;\n",
        ("package body Geo: procedure Add (A : Integer)",),
    ),
    "pascal": (
        "a.pas",
        "unit a;\ninterface\nimplementation\nprocedure Add(a: Integer);\nbegin\nend;\nfunction Far(x: Integer): Integer;\nbegin\n  Far := x;\nend;\nend.\n",
        ("procedure Add(a: Integer)", "function Far(x: Integer): Integer"),
    ),
    "groovy": (
        "a.groovy",
        "class Cart {\n  int total(int a) {\n    return a\n  }\n}\ndef add(a) {\n  a\n}\n",
        ("class Cart: int total(int a)", "def add(a)"),
    ),
    "objc": (
        "a.m",
        "#import <X.h>\n@interface Cart : Base\n- (int)total;\n@end\n@implementation Cart\n- (int)total {\n  return 1;\n}\n@end\nint add(int a) { return a; }\n",
        ("@interface Cart : Base", "@implementation Cart: - (int)total", "int add(int a)"),
    ),
    "matlab": ("a.m", "function y = add(a)\n  y = a;\nend\n", ("function y = add(a)",)),
    "verilog": (
        "a.sv",
        "module adder(input a, output b);\n  assign b = a;\nendmodule\n",
        ("module adder(input a, output b)",),
    ),
    "vhdl": (
        "a.vhd",
        "entity adder is\n  port (a : in bit);\nend entity;\narchitecture rtl of adder is\nbegin\nend architecture;\n",
        ("entity adder", "architecture rtl of adder"),
    ),
    "solidity": (
        "a.sol",
        "pragma solidity ^0.8.0;\ncontract Cart is Base {\n  uint n;\n  function total(uint a) public view returns (uint) { return n; }\n  event Paid(uint x);\n}\n",
        ("contract Cart is Base: function total(uint a) public view returns (uint)",),
    ),
    "proto": (
        "a.proto",
        'syntax = "proto3";\nmessage User {\n  string name = 1;\n}\nservice Users {\n  rpc Get(User) returns (User);\n}\nenum Color { RED = 0; }\n',
        ("message User", "service Users", "enum Color"),
    ),
    "graphql": (
        "a.graphql",
        "type User {\n  name: String\n}\ninput New { a: Int }\nenum Color { RED }\n",
        ("type User", "input New", "enum Color"),
    ),
    "terraform": (
        "a.tf",
        'resource "aws_s3_bucket" "b" {\n  bucket = "x"\n}\nvariable "v" {\n  default = 1\n}\n',
        ('resource "aws_s3_bucket" "b"', 'variable "v"'),
    ),
    "css": ("a.css", ".a { color: red; }\n@media print {\n  .b { color: blue; }\n}\n", (".a", "@media print")),
    "scss": ("a.scss", "@mixin m($a) { color: $a; }\n.a { .b { color: red; } }\n", ("@mixin m($a)", ".a")),
    "cmake": ("CMakeLists.txt", "project(x)\nfunction(add a)\n  message(${a})\nendfunction()\n", ("function(add a)",)),
    "make": (
        "Makefile",
        "CC = gcc\n\nall: main.o\n\tgcc -o all main.o\n\nclean:\n\trm -f *.o\n",
        ("all: main.o", "clean"),
    ),
    "fsharp": (
        "a.fs",
        "module A\nlet add a b = a + b\ntype Color = Red | Blue\n",
        ("let add a b", "type Color = Red | Blue"),
    ),
    "gleam": (
        "a.gleam",
        "import x\npub fn add(a: Int) -> Int {\n  a\n}\npub type Color {\n  Red\n}\n",
        ("pub fn add(a: Int) -> Int", "pub type Color"),
    ),
    "tcl": ("a.tcl", "proc add {a b} {\n  return 1\n}\n", ("proc add {a b}",)),
    "v": (
        "a.v",
        "module main\nfn add(a int) int {\n\treturn a\n}\nstruct P {\n\tx int\n}\n",
        ("fn add(a int) int",),
    ),
    "odin": (
        "a.odin",
        "package a\nadd :: proc(a: int) -> int {\n\treturn a\n}\nP :: struct {\n\tx: int,\n}\n",
        ("add :: proc(a: int) -> int",),
    ),
    "cuda": ("a.cu", "__global__ void add(int *a) {\n  a[0] = 1;\n}\n", ("__global__ void add(int *a)",)),
    "glsl": ("a.glsl", "#version 330\nvec3 light(vec3 a) {\n  return a;\n}\n", ("vec3 light(vec3 a)",)),
    "wgsl": (
        "a.wgsl",
        "struct P { x: f32 }\nfn far(a: P) -> f32 {\n  return a.x;\n}\n",
        ("struct P", "fn far(a: P) -> f32"),
    ),
    "gdscript": (
        "a.gd",
        "extends Node\nfunc add(a):\n\treturn a\nclass Inner:\n\tfunc go():\n\t\tpass\n",
        ("func add(a)", "class Inner: func go()"),
    ),
    "haxe": (
        "a.hx",
        "class Cart {\n  public function total(a:Int):Int { return a; }\n}\n",
        ("class Cart: public function total(a:Int):Int",),
    ),
    "nix": ("a.nix", "{ pkgs }:\n{\n  a = 1;\n}\n", ()),
    "thrift": ("a.thrift", "struct P {\n  1: i32 x\n}\nservice S {\n  void go()\n}\n", ("struct P", "service S")),
    "asm": ("a.asm", "section .text\nstart:\n  mov eax, 1\n  ret\n", ()),
    "elm": (
        "a.elm",
        "module A exposing (..)\nadd : Int -> Int\nadd a =\n  a + 1\ntype Color = Red\n",
        ("add : Int -> Int", "type Color = Red"),
    ),
    "purescript": (
        "a.purs",
        "module A where\nadd :: Int -> Int\nadd a = a\ndata Color = Red\n",
        ("add :: Int -> Int", "data Color = Red"),
    ),
    "starlark": ("a.bzl", "def add(a):\n    return a\n", ("def add(a)",)),
    "vue": (
        "a.vue",
        "<template>\n  <p>{{ a }}</p>\n</template>\n<script setup>\nconst a = 1;\n</script>\n",
        ("<template>", "<script setup>"),
    ),
    "svelte": ("a.svelte", "<script>\nlet a = 1;\n</script>\n<p>{a}</p>\n", ("<script>",)),
    "dockerfile": ("Dockerfile", "FROM debian AS build\nRUN make\nFROM scratch\nCOPY --from=build /a /a\n", ()),
    "vim": ("a.vim", "function! Add(a)\n  return a:a\nendfunction\n", ("function! Add(a)",)),
    "prisma": ("a.prisma", "model User {\n  id Int @id\n}\n", ("model User",)),
    "racket": ("a.rkt", "#lang racket\n(define (add a b)\n  (+ a b))\n", ("(define (add a b)",)),
}
