"""How long a function may be, what options become an object, and when a docstring is owed."""

import ast
import itertools
import re

import pytest

from tests.house.sources import MODULES, functions_of, tree_of

# A file holds one idea, and more code than this is seldom one; tables, comments and docstrings are
# not counted, because they make an idea easier to read, not larger.
MOST_CODE_LINES = 300
# A function is taken in at one look, from its first statement to its last; a long signature or
# docstring does not make it harder.
MOST_FUNCTION_LINES = 45
# Options that travel together through several functions are one object, however many one
# function alone may have.
MOST_SHARED_OPTIONS = 4
# What is longer than this is not understood from its name and its lines alone; a docstring of
# something shorter is written where it says a shape, a range, a unit or an error, not to have one.
MOST_LINES_WITHOUT_DOCSTRING = 12


def statements_of(node):
    """What a module, class or function does, without its docstring."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def line_count(function):
    """Lines from a function's first statement to its last."""
    statements = statements_of(function)
    return statements[-1].end_lineno - statements[0].lineno + 1 if statements else 0


def is_table(node):
    """Whether a statement gives a name to data: a display, a constant, or
    one call such as a record's.
    """
    data = (ast.Dict, ast.List, ast.Set, ast.Tuple, ast.Constant, ast.Call)
    return isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, data)


def code_lines(tree):
    """Numbers of the lines that hold code other than tables; comments,
    docstrings and blank lines do not.
    """
    lines = {node.lineno for node in ast.walk(tree) if hasattr(node, "lineno")}
    for node in ast.walk(tree):
        is_documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if is_documented and ast.get_docstring(node, clean=False) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    for node in filter(is_table, tree.body):
        lines -= set(range(node.lineno, node.end_lineno + 1))
    return lines


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_are_short(name):
    tree = tree_of(name)
    assert len(code_lines(tree)) <= MOST_CODE_LINES
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert line_count(node) <= MOST_FUNCTION_LINES, node.name


def test_what_counts_as_code():
    tree = ast.parse(
        '"""Says\nwhat."""\n\n# Why.\nTABLE = {\n    1: 2,\n}\n\n\ndef f(x):\n    """Doc."""\n '
        "   return x\n"
    )
    assert code_lines(tree) == {10, 12}
    [(function, _)] = functions_of(tree)
    assert line_count(function) == 1


def optional_parameters(function):
    """Names of the parameters that have defaults."""
    arguments = function.args
    positional = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {argument.arg for argument in positional} | {
        argument.arg for argument, value in keywords if value
    }


def shared_options(functions):
    """(name, name, parameters) of pairs of functions that share more options than
    one may hand on one by one.
    """
    options = [(function.name, optional_parameters(function)) for function in functions]
    # Pairs of all functions are millions; few have enough options to share so many.
    rich = [(name, names) for name, names in options if len(names) > MOST_SHARED_OPTIONS]
    return [
        (one, other, some & more)
        for (one, some), (other, more) in itertools.combinations(rich, 2)
        if len(some & more) > MOST_SHARED_OPTIONS
    ]


def test_options_that_travel_together_are_one_object():
    trees = map(tree_of, MODULES)
    assert not shared_options([function for tree in trees for function, _ in functions_of(tree)])


def test_options_that_travel_together_are_seen():
    tree = ast.parse(
        "def f(*, a=1, b=2, c=3, d=4, e=5): ...\ndef g(a=1, b=2, c=3, *, d=4, e=5, f=6): ...\n"
    )
    assert shared_options([function for function, _ in functions_of(tree)]) == [
        ("f", "g", set("abcde"))
    ]


def undocumented(tree):
    """Names of public classes without a docstring, and of public functions
    that are too long for that.
    """
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    long = [
        node for node, _ in functions_of(tree) if line_count(node) > MOST_LINES_WITHOUT_DOCSTRING
    ]
    return [
        node.name
        for node in (*classes, *long)
        if node.name[0] != "_" and not ast.get_docstring(node)
    ]


# Words that say nothing of what a name does not.
_FILLING = {
    *(
        "a",
        "all",
        "an",
        "and",
        "are",
        "as",
        "at",
        "by",
        "for",
        "from",
        "how",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
    ),
    *(
        "one",
        "or",
        "that",
        "the",
        "this",
        "to",
        "what",
        "which",
        "gives",
        "given",
        "makes",
        "return",
        "returns",
    ),
}


def repeats_its_name(node, owners):
    """Whether a docstring says nothing but the name, the class and the parameters."""
    arguments = node.args.args + node.args.kwonlyargs if isinstance(node, ast.FunctionDef) else []
    names = " ".join([node.name, *owners, *(argument.arg for argument in arguments)])
    # Words are alike by their beginnings: "writes" says no more than "write",
    # "MarkDown" is "mark" and "down".
    known = {part[:4] for part in re.findall(r"[A-Z]?[a-z]+", names)}
    known = {part.lower() for part in known}
    said = re.findall(r"[a-z]+", (ast.get_docstring(node) or "none said").lower())
    return all(word in _FILLING or word[:4] in known for word in said)


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_are_where_they_say_something(name):
    tree = tree_of(name)
    assert not undocumented(tree)
    classes = [(node, ()) for node in tree.body if isinstance(node, ast.ClassDef)]
    for node, owners in (*classes, *functions_of(tree)):
        assert not repeats_its_name(node, owners), (
            f"{node.name}: say more, or leave the docstring out"
        )


def test_docstrings_that_say_nothing_are_seen():
    long = "\n".join(f"    {letter} = 1" for letter in "abcdefghijklm")
    method = '    def write_rows(self, path):\n        "Writes the rows."\n'
    tree = ast.parse(f"def work():\n{long}\n\n\nclass Toy:\n{method}")
    assert undocumented(tree) == ["Toy", "work"]
    [(_, _), (method, owners)] = functions_of(tree)
    assert repeats_its_name(method, owners)
