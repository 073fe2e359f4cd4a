"""What nodes of tree-sitter's syntax trees mean, by their types: found by looking at the trees of each grammar.

One table does for all languages, because grammars name the same things alike; what differs has its rule in symbols.py.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Always taken apart into their members.
CONTAINERS = _words("""
    class_definition class_declaration abstract_class_declaration class_specifier struct_specifier
    union_specifier class class_statement class_interface class_implementation category_interface
    category_implementation interface_declaration interface_definition interface_type_definition
    annotation_type_declaration struct_declaration struct_definition struct_item union_item trait_item impl_item
    mod_item trait_definition trait_declaration trait_alias protocol_declaration protocol_definition
    object_declaration object_definition companion_object extension_declaration extension_definition
    enum_declaration enum_definition record_declaration mixin_declaration namespace_definition
    namespace_declaration file_scoped_namespace_declaration internal_module module module_definition
    package_body contract_declaration library_declaration instance singleton_class media_statement
    supports_statement at_rule message service model_block service_definition
""")

# Taken apart only when they are large and hold definitions of their own.
FUNCTIONS = _words("""
    function_definition function_declaration function_item function_statement function_def function
    function_signature generator_function_declaration method_definition method_declaration method
    singleton_method constructor_declaration destructor_declaration constructor_definition
    fallback_receive_definition modifier_definition property_declaration secondary_constructor init_declaration
    deinit_declaration subscript_declaration operator_declaration local_function_statement
    local_function_declaration function_signature_item abstract_method_signature class_method_definition
    subroutine_declaration_statement subroutine subprogram_body defProc procedure procedure_declaration
    proc_declaration func_declaration iterator_declaration macro_declaration macro_definition macro_def
    macro_item fun_decl method_signature value_definition value_declaration function_or_value_defn
    mixin_statement defun delegate_declaration predicate
""")

# Whole, whatever they hold.
LEAVES = _words("""
    signature type_annotation enum_item enum_specifier enum enum_block type_item type_alias_declaration
    type_alias type_definition type_declaration type_section type_synomym type_synonym const_item static_item
    data_type data newtype record_decl rule_set keyframes_statement rule create_table create_view
    create_function create_index statement definition block event_definition error_declaration
    state_variable_declaration module_declaration design_unit concrete_function constructor_signature
    template_element script_element style_element interface_alias
""")

# Stand before what they belong to and make one with it.
BEFORE = _words(
    "attribute_item inner_attribute_item decorator annotation attribute_list attribute attribute_declaration"
)
COMMENT = "comment"

# Transparent: what is in them counts as if it stood outside. The second kind makes one symbol with what it holds.
WRAPPERS = _words("""
    preproc_ifdef preproc_if preproc_else preproc_elif preproc_elifdef linkage_specification declarations
    statement_list module_def unit implementation compilation_unit document body named_module ERROR
    implementation_definition internal_procedures if_statement try_statement except_clause else_clause
    elif_clause finally_clause declaration_expression non_empty_declarative_part source_file program section
""")
ENVELOPES = _words("export_statement decorated_definition template_declaration ambient_declaration")

# Where the members of a container are.
BODIES = _words("""
    block body class_body declaration_list body_statement field_declaration_list template_body do_block
    enum_class_body interface_body enum_body structure aggregate_body non_empty_declarative_part statement_block
    compound_statement class_declarations message_body protocol_body contract_body object ContainerDecl
    instance_declarations statements function_body block_statement script_block internal_procedures
""")

# What makes a variable's declaration, an assignment or a call of JavaScript a symbol.
FUNCTION_VALUES = _words("""
    arrow_function function_expression function generator_function class
""")
ASSIGNED = _words(
    "lexical_declaration variable_declaration expression_statement assignment_statement pair field_definition"
)
SCRIPTS = _words("javascript typescript tsx vue svelte astro")
ANNOTATED = _words("java kotlin scala groovy swift dart csharp typescript javascript tsx apex haxe python")
LISPS = _words("clojure commonlisp elisp scheme racket fennel")
LISTS = _words("list_lit list")
ELIXIR_WORDS = _words("""
    def defp defmacro defmacrop defmodule defprotocol defimpl defstruct defguard defdelegate defexception
    describe test
""")
# Languages whose definitions are no nodes of a type of their own, and the types to look at: see symbols.py.
OWN_RULES = {
    **dict.fromkeys(LISPS, LISTS),
    "elixir": _words("call"),
    "r": _words("binary_operator"),
    "zig": _words("Decl"),
    "groovy": _words("command"),
    "sql": _words("statement"),
}
# Declarations of one name in several parts, each of which is a node.
IN_PARTS = {
    "haskell": _words("function bind"),
    "purescript": _words("function"),
    "elm": _words("value_declaration"),
    "erlang": _words("fun_decl"),
}

# Types that mean something else, or nothing, in one grammar.
NOT_IN = {
    "hcl": _words("attribute"),
    "terraform": _words("attribute"),
    "haskell": _words("module function_body"),
    "purescript": _words("module"),
    "gleam": _words("module"),
    "d": _words("class module"),
    "java": _words("module"),
    "v": _words("block module"),
    "julia": _words("block module"),
    "bash": _words("function block"),
    "lua": _words("block"),
    "cmake": _words("function block body"),
    "elm": _words("module"),
    "solidity": _words("statement block"),
    "python": _words("module type statement block"),
    "css": _words("block statement"),
    "scss": _words("block statement"),
    "zig": _words("block"),
    "php": _words("if_statement try_statement"),
}
# "block" and "statement" are symbols in these only; anywhere else they are bodies or nothing.
ONLY_IN = {
    "block": _words("hcl terraform"),
    "statement": frozenset[str](),
    "signature": _words("haskell purescript"),
    "type_annotation": _words("elm"),
    "definition": _words("graphql"),
    "rule": _words("make"),
    "type_declaration": _words("go elm"),
    "type_section": _words("nim"),
    "function": _words("haskell purescript gleam fortran erlang"),
    "data": _words("purescript"),
    "enum": _words("proto"),
    "instance": _words("haskell purescript"),
    "class": _words("ruby haskell purescript"),
    "procedure": _words("tcl"),
    "module": _words("ruby fortran"),
    "method": _words("ruby"),
    "attribute": frozenset[str](),
    "section": frozenset[str](),
    "unit": _words("pascal"),
    "interface": _words("pascal"),
    "body": _words("hcl terraform"),
    "if_statement": _words("python starlark javascript typescript tsx"),
    "try_statement": _words("python starlark"),
    "module_declaration": _words("verilog typescript tsx"),
    "message": _words("proto"),
    "service": _words("proto"),
    "predicate": frozenset[str](),
    "property_declaration": _words("csharp"),
    "state_variable_declaration": frozenset[str](),
    "value_declaration": _words("elm"),
    "at_rule": _words("css scss"),
    "subroutine": _words("fortran"),
    "object_declaration": _words("kotlin"),
}


def means(node_type: str, language: str) -> str:
    """What a node is: container, function, leaf, before, wrapper, envelope, or "" for none of them."""
    if (only := ONLY_IN.get(node_type)) is not None and language not in only:
        return ""
    if node_type in NOT_IN.get(language, ()):
        return ""
    for name, types in _MEANINGS:
        if node_type in types:
            return name
    return "before" if COMMENT in node_type else ""


_MEANINGS = (
    ("container", CONTAINERS),
    ("function", FUNCTIONS),
    ("leaf", LEAVES),
    ("before", BEFORE),
    ("wrapper", WRAPPERS | {"interface"}),
    ("envelope", ENVELOPES),
)
