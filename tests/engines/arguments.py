"""Argument definitions of published packages, read from their source without running it.

`python tests/engines/arguments.py NAME FOLDER VERSION` prints the record that lies in data/ as JSON:
each option's name with its kind (`flag`, `int`, `float`, `str`) or with its choices.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path


def read(name, folder):
    """Every option of one package; ``folder`` is where its wheel is unpacked."""
    return dict(sorted(READERS[name](Path(folder))))


def modules(folder, pattern):
    """The syntax of every module that the pattern finds."""
    return [ast.parse(path.read_text("utf-8")) for path in sorted(folder.glob(pattern))]


class Types:
    """Annotations in the end: aliases of Literal, classes and their fields."""

    def __init__(self, trees):
        self.aliases, self.fields = {}, {}
        for node in (item for tree in trees for item in tree.body):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self.aliases[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                    self.aliases[name] = value
                case ast.ClassDef(name=name):
                    self.fields[name] = {
                        item.target.id: item.annotation
                        for item in node.body
                        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
                    }

    def choices(self, node):
        """Texts of a Literal, or of a list of constants; aliases are followed."""
        match node:
            case ast.Name(id=name) if name in self.aliases:
                return self.choices(self.aliases[name])
            case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=items)):
                return [part for item in items for part in self.choices(item)]
            case ast.Subscript(value=ast.Name(id="Literal"), slice=item):
                return self.choices(item)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [part for item in items for part in self.choices(item)]
            case ast.Starred(value=item) | ast.Call(func=ast.Name(id="list"), args=[item]):
                return self.choices(item)
            case ast.BinOp(left=left, right=right):
                return self.choices(left) + self.choices(right)
            case ast.Constant(value=str() as text):
                return [text]
            case ast.Subscript(value=ast.Name(id="Optional" | "Union"), slice=item):
                return self.choices(item)
        return []

    def kind(self, node):
        """The kind of an option whose value has this annotation, or its choices."""
        found = self.choices(node)
        text = ast.unparse(node)
        names = set(re.findall(r"\w+", text))
        if "bool" in names and not names & {"int", "str", "float", "dict"}:
            return "flag"
        # A Literal beside another type takes that as well.
        if found and not names & {"int", "float", "dict", "list"} - {"Literal"}:
            return found if "str" not in names else "str"
        if names & {"list", "dict", "List", "Dict", "tuple", "Config"}:
            return "str"
        return next((one for one in ("float", "int") if one in names), "str")


def vllm(folder) -> Iterator[tuple]:
    """vllm/engine/arg_utils.py `add_cli_args`, and the server's own of common/cli_args.py."""
    types = Types(
        [
            *modules(folder, "vllm/config/*.py"),
            *modules(folder, "vllm/entrypoints/common/cli_args.py"),
        ]
    )
    (tree,) = modules(folder, "vllm/engine/arg_utils.py")
    classes = {
        item.targets[0].id: item.value.args[0].id
        for item in ast.walk(tree)
        if isinstance(item, ast.Assign)
        and isinstance(item.value, ast.Call)
        and isinstance(item.value.func, ast.Name)
        and item.value.func.id == "get_kwargs"
        and isinstance(item.targets[0], ast.Name)
    }
    for call in calls(tree):
        kind = "str"
        for item in (part for keyword in call.keywords for part in ast.walk(keyword.value)):
            match item:
                case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=field)):
                    fields = types.fields.get(classes.get(name, ""), {})
                    kind = types.kind(fields[field]) if field in fields else kind
        yield from named(call, plain(call) or kind)
    for name in ("BaseFrontendArgs", "FrontendArgs"):
        for field, annotation in types.fields[name].items():
            yield dashed(field), types.kind(annotation)


def sglang(folder) -> Iterator[tuple]:
    """sglang/srt/arg_groups/fields: a field is `A[type, Arg(…)]`, its option the name in dashes."""
    types = Types(modules(folder, "sglang/srt/arg_groups/choices.py"))
    (tree,) = modules(folder, "sglang/srt/server_args.py")
    for call in calls(tree):
        yield from named(call, plain(call) or "str")
    for tree in modules(folder, "sglang/srt/arg_groups/fields/*.py"):
        for item in ast.walk(tree):
            match item:
                case ast.AnnAssign(
                    target=ast.Name(id=field),
                    annotation=ast.Subscript(
                        value=ast.Name(id="A"), slice=ast.Tuple(elts=[kind, *rest])
                    ),
                ):
                    yield from one_of_sglang(field, kind, rest, types)


def one_of_sglang(field, kind, rest, types):
    told = {}
    for item in rest:
        if isinstance(item, ast.Call):
            told |= {keyword.arg: keyword.value for keyword in item.keywords}
    if "no_cli" in told or field.startswith("_"):
        return
    name = told["cli_name"].value if "cli_name" in told else dashed(field)
    found = types.choices(told["choices"]) if "choices" in told else []
    for one in (name, *(types.choices(told["aliases"]) if "aliases" in told else ())):
        yield one, found or types.kind(kind)


def mlx(folder) -> Iterator[tuple]:
    """mlx_lm/server.py, plain argparse."""
    for tree in modules(folder, "mlx_lm/server.py"):
        for call in calls(tree):
            yield from named(call, plain(call) or "str")


def calls(tree):
    """Every call of add_argument that names an option."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            yield node


def named(call, kind):
    """The option's names."""
    for item in call.args:
        if isinstance(item, ast.Constant) and str(item.value).startswith("--"):
            yield item.value, kind


def plain(call):
    """The kind that a call itself says; nothing where it leaves it to a variable."""
    told = {keyword.arg: keyword.value for keyword in call.keywords}
    if "choices" in told and isinstance(told["choices"], ast.List):
        return [item.value for item in told["choices"].elts]
    action = told.get("action")
    if isinstance(action, ast.Constant) and str(action.value).startswith("store_"):
        return "flag"
    kind = told.get("type")
    return kind.id if isinstance(kind, ast.Name) and kind.id in {"int", "float", "str"} else ""


def dashed(name):
    return "--" + name.replace("_", "-")


READERS = {"vllm": vllm, "sglang": sglang, "mlx-lm": mlx}


def main(name, folder, version):
    options = read(name, folder)
    lines = ",\n".join(f"    {json.dumps(key)}: {json.dumps(options[key])}" for key in options)
    print(
        f'{{\n  "package": "{name}",\n  "version": "{version}",\n  "options": {{\n{lines}\n  }}\n}}'
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
