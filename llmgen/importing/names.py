"""Names that other programs allow and llm.toml does not: changed or left out, and said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from llmgen.config.names import sane
from llmgen.config.tables.base import MODEL_NAME
from llmgen.config.variables import TablePath
from llmgen.errors import Diagnostic
from llmgen.importing.parts import Part, Tables, fault, lost

_TABLES = ("models", "external")
_FALLBACKS: Final = ("fallbacks", "context_window_fallbacks")


def apart(parts: Iterable[Part]) -> Iterator[Part]:
    """Parts of several files, in which no model has the name of another one before it."""
    seen: dict[str, Mapping[str, Any]] = {}
    for part in parts:
        called: dict[str, str] = {}
        for path, keys in part.tables.items():
            if path[0] != "models" or len(path) < 2 or keys.keys() <= REFERRED:
                continue
            name = path[1]
            if seen.get(name, keys) != keys:
                called[name] = _free(f"{name}-2", {*seen, *(other[-1] for other in part.tables)})
            seen[called.get(name, name)] = keys
        yield _recalled(part, called) if called else part


def _recalled(part: Part, called: Mapping[str, str]) -> Part:
    tables = {
        (path[0], called.get(path[1], path[1])) if path[0] == "models" else path: keys
        for path, keys in part.tables.items()
    }
    if wishes := tables.get(("plan",), {}).get("wish_together"):
        new = [[called.get(name, name) for name in group] for group in wishes]
        tables["plan",] = {**tables["plan",], "wish_together": new}
    told = (
        fault(
            "same-name",
            f"`{old}` of the next file is called `{new}`: another model has that name",
            "rename one of them",
        )
        for old, new in called.items()
    )
    return Part(tables, (*part.faults, *told))


def with_names(part: Part) -> Part:
    """The same with every model under a name of its own that clients can send."""
    part = Part(*_whole(part))
    called = dict(_called(part.tables))
    faults = [_renamed(*pair) for pair in called.items() if pair[0] != pair[1]]
    tables = _apart(part.tables, called, faults)
    tables = _own_aliases(tables, faults)
    known = {name for path, keys in tables.items() for name in _names(path, keys)}
    tables = {path: _references(path, keys, called, known, faults) for path, keys in tables.items()}
    return Part({path: keys for path, keys in tables.items() if keys}, (*part.faults, *faults))


# What a reference to a model of another file may have left in its table.
REFERRED: Final = frozenset({"aliases", "preload", "pin", "priority", *_FALLBACKS})


def _whole(part: Part) -> tuple[Tables, tuple[Diagnostic, ...]]:
    """Without tables of models that no file describes, to which something only referred."""
    tables: Tables = {}
    faults = []
    for path, keys in part.tables.items():
        same = ("external", *path[1:])
        if not _is_model(path) or path[0] != "models" or not keys.keys() <= REFERRED:
            tables[path] = {**tables.get(path, {}), **keys}
        elif same in part.tables:
            tables[same] = {**keys, **tables.get(same, {})}
        else:
            for key, value in keys.items():
                what = f"`{key}` of `{path[1]}`"
                told = ", ".join(map(str, value)) if isinstance(value, list) else value
                faults.append(lost(f"{what} ({told})", "no file says what that model is"))
    return tables, (*part.faults, *faults)


def _called(tables: Tables) -> Iterator[tuple[str, str]]:
    """Old name and new one of every model; those that can stay come first."""
    names = [path[1] for path in tables if _is_model(path)]
    taken = {name for name in names if MODEL_NAME.fullmatch(name)}
    for name in names:
        new = name if name in taken else _free(name, taken)
        taken.add(new)
        yield name, new


def _is_model(path: TablePath) -> bool:
    return path[0] in _TABLES and len(path) > 1


def _free(name: str, taken: Collection[str]) -> str:
    base = sane(name) or "model"
    return next(found for found in _numbered(base) if found not in taken)


def _numbered(base: str) -> Iterator[str]:
    yield base
    number = 1
    while True:
        number += 1
        yield f"{base}-{number}"


def _renamed(old: str, new: str) -> Diagnostic:
    return fault(
        "renamed",
        f"`{old}` is called `{new}` in llm.toml",
        "names are letters, digits and . _ : / -; clients that ask for the old one have to follow",
    )


def _apart(tables: Tables, called: Mapping[str, str], faults: list[Diagnostic]) -> Tables:
    """Tables under their new names; what a gateway calls like a model is that model."""
    found: Tables = {}
    models = {called[path[1]] for path in tables if path[0] == "models" and len(path) > 1}
    for path, keys in tables.items():
        if not _is_model(path):
            # What one host says of a model: ("hosts", HOST, "models", NAME).
            own_words = path[0] == "hosts" and path[2:3] == ("models",)
            found[(*path[:3], called.get(path[3], path[3])) if own_words else path] = keys
            continue
        name = called[path[1]]
        if path[0] == "external" and name in models:
            faults.append(
                lost(f"`{name}` of a gateway", "it is the model itself, to which ours lead by name")
            )
            own = found.setdefault(("models", name), {})
            if keys.get("aliases"):
                own["aliases"] = [*own.get("aliases", []), *keys["aliases"]]
        else:
            found["external" if path[0] == "external" else "models", name] = {
                **found.get((path[0], name), {}),
                **keys,
            }
    return found


def _own_aliases(tables: Tables, faults: list[Diagnostic]) -> Tables:
    """Aliases and variants whose names nobody else has, and that are names."""
    taken = {path[1] for path in tables if _is_model(path)}
    found: Tables = {}
    for path, keys in tables.items():
        if not _is_model(path):
            found[path] = keys
            continue
        kept = dict(keys)
        variants = {
            name: table
            for name, table in (keys.get("variants") or {}).items()
            if _may_be(name, path[1], taken, faults)
        }
        if "variants" in keys:
            kept["variants"] = variants
        aliases = [str(alias) for alias in keys.get("aliases") or ()]
        # A variant's name may stand among the aliases, too.
        new = [alias for alias in dict.fromkeys(aliases) if alias not in (path[1], *variants)]
        kept["aliases"] = [alias for alias in new if _may_be(alias, path[1], taken, faults)]
        found[path] = {key: item for key, item in kept.items() if item or key not in _LISTS}
    return found


_LISTS: Final = ("aliases", "variants")


def _may_be(name: str, owner: str, taken: set[str], faults: list[Diagnostic]) -> bool:
    """Whether a further name of a model can be; it is taken then."""
    if not MODEL_NAME.fullmatch(name):
        faults.append(lost(f"the alias `{name}` of `{owner}`", "it is no name"))
    elif name in taken:
        faults.append(lost(f"the alias `{name}` of `{owner}`", "another model has that name"))
    else:
        taken.add(name)
        return True
    return False


def _names(path: TablePath, keys: Mapping[str, Any]) -> Iterator[str]:
    if _is_model(path):
        yield path[1]
        yield from keys.get("aliases", ())
        yield from keys.get("variants", ())


def _references(
    path: TablePath,
    keys: Mapping[str, Any],
    called: Mapping[str, str],
    known: Collection[str],
    faults: list[Diagnostic],
) -> dict[str, Any]:
    """Keys whose names are the new ones, without those that nobody has."""
    found = dict(keys)
    for key in _FALLBACKS:
        if key in found:
            what = f"`{key}` of `{path[-1]}`"
            found[key] = [*_known(found[key], what, called, known, faults)]
    inner = path[2:] if path[0] == "hosts" else path
    if inner == ("plan",):
        wishes = [
            [called.get(name, name) for name in group if called.get(name, name) in known]
            for group in found.get("wish_together", ())
        ]
        found["wish_together"] = [group for group in wishes if len(group) > 1]
    if inner == ("targets", "llama_swap") and "extra" in found:
        found["extra"] = _selected(found["extra"], called, known, faults)
    return {key: item for key, item in found.items() if item or key not in _FALLBACKS}


def _known(
    names: Iterable[str],
    what: str,
    called: Mapping[str, str],
    known: Collection[str],
    faults: list[Diagnostic],
) -> Iterator[str]:
    for name in dict.fromkeys(called.get(name, name) for name in names):
        if name in known:
            yield name
        else:
            faults.append(lost(f"`{name}` in {what}", "no model is called so"))


def _selected(
    extra: Mapping[str, Any],
    called: Mapping[str, str],
    known: Collection[str],
    faults: list[Diagnostic],
) -> dict[str, Any]:
    """llama-swap's selectors and profiles lead to models that there are."""
    found = dict(extra)
    selectors = {}
    for name, table in extra.get("selectors", {}).items():
        what = f"the selector `{name}`"
        targets = [*_known(table.get("targets", ()), what, called, known, faults)]
        if name in known:
            faults.append(lost(what, "a model has that name"))
        elif targets:
            selectors[name] = {**table, "targets": targets}
        else:
            faults.append(lost(what, "none of its targets is a model"))
    profiles = {}
    for name, table in extra.get("profiles", {}).items():
        pins = {}
        for pin, target in table.get("pins", {}).items():
            new = called.get(target, target)
            if not target or new in known or new in selectors:
                pins[pin] = new
            else:
                faults.append(lost(f"`{target}` in the profile `{name}`", "no model is called so"))
        if pins:
            profiles[name] = {**table, "pins": pins}
    for key, items in (("selectors", selectors), ("profiles", profiles)):
        if items:
            found[key] = items
        else:
            found.pop(key, None)
    return found
