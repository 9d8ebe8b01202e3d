"""What llama-swap makes of a configuration, read by its own rules and not by llmgen's importer.

Written after llama-swap v250's loader (internal/config): macros, defaults, aliases, groups.
"""

import itertools
import re

import yaml
from readers.llama_swap_rules import families, split

MACRO = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")
DEFAULTS = {"proxy": "http://localhost:${PORT}", "checkEndpoint": "/health", "ttl": -1}


def documents(text):
    """llama-swap reads the first document of a file."""
    return next(yaml.safe_load_all(text)) or {}


def filled(value, macros):
    if isinstance(value, str):
        for name, inner in reversed([*macros.items()]):
            if value == f"${{{name}}}" and not isinstance(inner, str):
                return inner
            value = value.replace(f"${{{name}}}", text_of(inner))
        return value
    if isinstance(value, dict):
        return {key: filled(inner, macros) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, macros) for inner in value]
    return value


def text_of(value):
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def models(text):
    """Every model with its macros filled in and its filters under their present names."""
    document = documents(text)
    usual = {str(key): value for key, value in (document.get("macros") or {}).items()}
    found = {}
    for name, table in (document.get("models") or {}).items():
        own = {key: value for key, value in table.items() if value is not None}
        macros = {"MODEL_ID": str(name), **usual, **(own.pop("macros", None) or {})}
        if "cmd" in own:
            own["cmd"] = "\n".join(
                line for line in own["cmd"].splitlines() if not line.lstrip().startswith("#")
            )
        own = {**DEFAULTS, **filled(own, macros)}
        filters = dict(own.get("filters") or {})
        if "strip_params" in filters:
            filters["stripParams"] = filters.pop("strip_params")
        by_id = filters.get("setParamsByID") or {}
        filters["setParamsByID"] = {filled(key, macros): item for key, item in by_id.items()}
        own["filters"] = {key: item for key, item in filters.items() if item}
        if own["ttl"] == -1:
            own["ttl"] = document.get("globalTTL", 0)
        found[str(name)] = own
    return found


def names(table):
    """Every further name of a model."""
    return {*map(str, table.get("aliases") or ()), *table["filters"].get("setParamsByID", ())}


def words(table):
    """The command as llama-swap splits it, its own lines of comments gone."""
    lines = [line.rstrip().removesuffix("\\") for line in table["cmd"].splitlines()]
    return split(" ".join(lines))


def together(text):
    """Every set of models that may be in memory together, maximal ones at least."""
    document, every = documents(text), [*models(text)]
    router = (document.get("routing") or {}).get("router") or {}
    settings = router.get("settings") or {}
    matrix = document.get("matrix") or (
        settings.get("matrix") if router.get("use") == "matrix" else None
    )
    if matrix:
        return families({"vars": {}, "sets": {}, **matrix})
    groups = document.get("groups") or settings.get("groups") or {}
    usual = {"swap": True, "exclusive": True, "persistent": False}
    tables = [
        {**usual, **group, "members": [name for name in group.get("members", ()) if name in every]}
        for group in groups.values()
    ]
    placed = {name for table in tables for name in table["members"]}
    rest = [name for name in every if name not in placed]
    if rest:
        tables.append({**usual, "members": rest})
    free = [table for table in tables if not table["exclusive"] or table["persistent"]]
    bound = [table for table in tables if table not in free]
    found = set()
    for one in [[table] for table in bound] or [[]]:
        choices = [
            [[name] for name in table["members"]] if table["swap"] else [table["members"]]
            for table in (*free, *one)
            if table["members"]
        ]
        found |= {frozenset(itertools.chain(*parts)) for parts in itertools.product(*choices)}
    return found


def meetings(text):
    """The same without what goes without saying: each model alone, and parts of a set."""
    found = together(text) | {frozenset([name]) for name in models(text)}
    return {members for members in found if not any(members < other for other in found)}


def kept(text):
    """Models that no request for another one unloads."""
    document = documents(text)
    router = (document.get("routing") or {}).get("router") or {}
    groups = document.get("groups") or (router.get("settings") or {}).get("groups") or {}
    return {
        name
        for group in groups.values()
        if group.get("persistent")
        and not (group.get("swap", True) and len(group.get("members", ())) > 1)
        for name in group.get("members", ())
    }


def preload(text):
    document, table = documents(text), models(text)
    owners = {alias: name for name, item in table.items() for alias in names(item)}
    wanted = ((document.get("hooks") or {}).get("on_startup") or {}).get("preload") or ()
    return {owners.get(name, name) for name in wanted} & {*table}
