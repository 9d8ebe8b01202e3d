"""What llama-swap (v250) accepts and then does not do as written: schema, rules and traps.

The JSON Schema in llmgen/data is llama-swap's own (MIT); the rules are those that its loader
checks, and those that it does not check although the file would not work.
"""

import json
import re
from collections import Counter
from importlib import import_module, resources

import yaml
from yaml_reader import LOADER, read_yaml

SCHEMA = json.loads(
    resources.files("llmgen").joinpath("data/llama-swap.schema.json").read_text("utf-8")
)
KNOWN_PLACEHOLDERS = re.compile(r"\$\{(PORT|MODEL_ID|PID|env\.[A-Za-z_][A-Za-z0-9_]*)\}")
ANY_PLACEHOLDER = re.compile(r"\$\{[A-Za-z0-9_.-]+\}")
IDENTIFIER = re.compile(r"[a-zA-Z0-9.-]{1,32}")


def problems(text):
    """Sentences about everything that is wrong; none: llama-swap does what the file says."""
    validator = import_module("jsonschema").Draft7Validator(SCHEMA)  # half a second of formats

    document = read_yaml(text)
    # Its own `$schema` address is not one that jsonschema knows, so the draft is named here.
    schema = [error.message for error in validator.iter_errors(document)]
    return [
        *schema,
        *_keys(yaml.compose(text, LOADER)),
        *_names(document),
        *_placeholders(text),
        *_commands(document),
        *_ports(document),
        *_references(document),
    ]


def _keys(node):
    """A key without quotes may be read as a number, and the whole section be dropped."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.style != '"':
                yield f"key {key.value} is not in double quotes"
            yield from _keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _keys(item)
    elif node.tag == "tag:yaml.org,2002:str" and node.style not in ('"', "|"):
        yield f"text {node.value} is not in double quotes"


def _names(document):
    """IDs, aliases and setParamsByID keys; the last become aliases."""
    models = document["models"]
    names = Counter(list(models))
    for name, model in models.items():
        names.update({*model.get("aliases", ()), *_by_id(model)} - {name})
        names.update(item for item, count in Counter(model.get("aliases", ())).items() if count > 1)
    # One name at two peers is nobody's: each is reached with its peer's name before it.
    names.update({name for peer in document.get("peers", {}).values() for name in peer["models"]})
    yield from (f"name {name} is used twice" for name, count in names.items() if count > 1)


def _by_id(model):
    return model.get("filters", {}).get("setParamsByID", {})


def _placeholders(text):
    for match in ANY_PLACEHOLDER.finditer(text):
        if not KNOWN_PLACEHOLDERS.fullmatch(match[0]):
            yield f"{match[0]} is no macro"


def _commands(document):
    for name, model in document["models"].items():
        if not split(model["cmd"]):
            yield f"{name} has no command"
        for line in model["cmd"].splitlines():
            if line.lstrip().startswith("#") or line.endswith("\\"):
                yield f"{name} has a line that llama-swap changes: {line}"
        if "${PORT}" in model.get("proxy", "") and "${PORT}" not in model["cmd"]:
            yield f"{name} has a port in proxy that its command does not get"
        if model.get("ttl", -1) < -1:
            yield f"{name} has a ttl below -1"


def split(command):
    """Words of a cmd as llama-swap splits them on Linux and macOS."""
    words, word, quote, at, open_word = [], "", "", 0, False
    while at < len(command):
        char = command[at]
        if (
            quote == '"'
            and char == "\\"
            and command[at + 1 : at + 2] in ("$", "`", '"', "\\", "\n")
        ):
            at, word = at + 1, word + command[at + 1]
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote, open_word = char, True
        elif not quote and char == "\\":
            at, word, open_word = at + 1, word + command[at + 1 : at + 2], True
        elif not quote and char in " \t\n":
            words += [word] if open_word else []
            word, open_word = "", False
        else:
            word, open_word = word + char, True
        at += 1
    return words + ([word] if open_word else [])


def _ports(document):
    fixed = [
        match[1]
        for model in document["models"].values()
        if (match := re.search(r":(\d+)$", model.get("proxy", "")))
    ]
    taken = [
        match[1]
        for peer in document.get("peers", {}).values()
        if (match := re.fullmatch(r"http://127\.0\.0\.1:(\d+)", peer["proxy"]))
    ]
    for port, count in Counter([*fixed, *taken]).items():
        if count > 1:
            yield f"port {port} is used twice"
    automatic = sum("${PORT}" in model["cmd"] for model in document["models"].values())
    start = document.get("startPort", 5800)
    if start + automatic > 65536:
        yield "automatic ports go past 65535"
    for port in (*fixed, *taken):
        if automatic and start <= int(port) < start + automatic:
            yield f"port {port} is also one of the automatic ones"


def _references(document):
    models, routing = document["models"], document.get("routing", {})
    names = {*models, *(alias for model in models.values() for alias in model.get("aliases", ()))}
    for name in document.get("hooks", {}).get("on_startup", {}).get("preload", ()):
        if name not in names:
            yield f"preload of {name} is dropped without a word"
    for name in (
        routing.get("scheduler", {}).get("settings", {}).get("fifo", {}).get("priority", {})
    ):
        if name not in models:
            yield f"priority of {name} has no effect"
    router = routing.get("router", {})
    if "matrix" in document and router:
        yield "matrix beside routing.router"
    if "matrix" in router.get("settings", {}) and router.get("use") != "matrix":
        yield "the matrix is not used"
    groups = document.get("groups") or router.get("settings", {}).get("groups") or {}
    yield from _groups(groups, models)
    matrix = document.get("matrix") or router.get("settings", {}).get("matrix")
    if matrix:
        yield from _matrix(matrix, models)


def _groups(groups, models):
    members = Counter(name for group in groups.values() for name in group["members"])
    if "(default)" in groups:
        yield "a group is called (default), which llama-swap overwrites"
    for name, count in members.items():
        if name not in models:
            yield f"group member {name} is no model"
        if count > 1:
            yield f"{name} is in two groups"
    for name in models if groups else ():
        if name not in members:
            yield f"{name} is in no group and evicts everything"


def _matrix(matrix, models):
    variables = matrix["vars"]
    for short, name in variables.items():
        if not IDENTIFIER.fullmatch(short):
            yield f"{short} cannot be a variable"
        if name not in models:
            yield f"variable {short} stands for {name}, which is no model"
    for name in models:
        if name not in variables.values():
            yield f"{name} is in no set and evicts everything"
    for short, cost in matrix.get("evict_costs", {}).items():
        if short not in variables or cost < 1:
            yield f"evict cost {short} = {cost}"
    sets = matrix["sets"]
    if [*sets] != sorted(sets):
        yield "sets are tried in another order than they are written in"
    for name, expression in sets.items():
        for word in re.findall(r"\+?[A-Za-z0-9_.-]+", expression):
            known = word[1:] in sets if word.startswith("+") else word in variables
            if not known:
                yield f"set {name} names {word}"


def families(matrix):
    """Every set that the matrix lists, as frozensets of model names."""
    found = set()
    for expression in matrix["sets"].values():
        found |= _parse(expression, matrix)
    return {frozenset(matrix["vars"][short] for short in members) for members in found}


def _parse(expression, matrix):
    tokens = re.findall(r"[&|()]|\+?[A-Za-z0-9_.-]+", expression)

    def either():
        found = both()
        while tokens and tokens[0] == "|":
            tokens.pop(0)
            found |= both()
        return found

    def both():
        found = one()
        while tokens and tokens[0] == "&":
            tokens.pop(0)
            found = {left | right for right in one() for left in found}
        return found

    def one():
        token = tokens.pop(0)
        if token == "(":
            found = either()
            tokens.pop(0)
            return found
        if token.startswith("+"):
            return _parse(matrix["sets"][token[1:]], matrix)
        return {frozenset([token])}

    return either()
