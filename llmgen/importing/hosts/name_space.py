"""Models of several machines under one name space: equal ones are one, others have two names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from llmgen.config.tables.hosts import LAID_OVER
from llmgen.config.variables import TablePath
from llmgen.errors import Diagnostic
from llmgen.gateway.addresses import loopback
from llmgen.importing.hosts.callers import host_of
from llmgen.importing.hosts.stack import HostStack
from llmgen.importing.names import REFERRED
from llmgen.importing.parts import Part, fault, lost

Keys = dict[str, Any]
# What two machines may say differently of what is one model.
_BESIDE: Final = frozenset(
    {"concurrency_limit", "description", "keep", "llama_swap", "pin", "port", "preload",
     "priority", "title", "ttl", "unlisted", "aliases"}
)  # fmt: skip
_FALLBACKS: Final = ("fallbacks", "context_window_fallbacks")
_OWN: Final = frozenset({"endpoint", "api_key", "aliases", "upstream_model", "role"})


class NameOwner(Struct, frozen=True):
    """A model of the whole file: who has it, and what each says of it."""

    stacks: tuple[str, ...]
    keys: tuple[Mapping[str, Any], ...]


# For each stack: a name in its files, and the table of the whole file that it leads to.
_Leads = dict[str, dict[str, TablePath]]


def one_name_space(stacks: Sequence[HostStack], doors: Mapping[tuple[str, str], str]) -> Part:
    """All tables of all stacks; ``doors`` says which host a caller reaches at an endpoint."""
    made = _Whole(stacks, doors)
    tables: dict[TablePath, Keys] = {}
    for stack in stacks:
        tables |= made.scoped(stack)
        tables |= made.referred(stack)
    tables |= dict(made.models())
    tables |= made.external
    faults = [item for stack in stacks for item in stack.part.faults]
    return Part(tables, tuple(dict.fromkeys([*faults, *made.faults])))


class _Whole:
    def __init__(self, stacks: Sequence[HostStack], doors: Mapping[tuple[str, str], str]) -> None:
        self.stacks = {stack.name: stack for stack in stacks}
        self.doors = doors
        self.faults: list[Diagnostic] = []
        self.owners: dict[str, NameOwner] = {}
        self.external: dict[TablePath, Keys] = {}
        self.more: dict[str, list[str]] = {}
        self.leads: _Leads = {stack.name: {} for stack in stacks}
        self.written = {path[1] for stack in stacks for path, _ in _models(stack)}
        for stack in stacks:
            for path, keys in _models(stack):
                self.leads[stack.name][path[1]] = ("models", self._model(stack, path[1], keys))
        for stack in stacks:
            for name, keys in _outside(stack):
                if (stack.name, str(keys.get("endpoint"))) not in doors:
                    self.leads[stack.name][name] = ("external", self._external(stack, name, keys))
        for stack in stacks:
            for name, keys in _outside(stack):
                if (stack.name, str(keys.get("endpoint"))) in doors:
                    self._peer(stack, name, keys)

    def _model(self, stack: HostStack, name: str, keys: Mapping[str, Any]) -> str:
        """The name of a machine's model in the whole file."""
        for called in (name, *(f"{other}/{name}" for other in self.stacks)):
            owner = self.owners.get(called)
            if owner and stack.name not in owner.stacks and _is_same(owner.keys[0], keys):
                self.owners[called] = NameOwner((*owner.stacks, stack.name), (*owner.keys, keys))
                return called
        called = name
        if name in self.owners:
            called = self._free(f"{stack.name}/{name}")
            self.faults.append(
                fault(
                    "same-name",
                    f"`{name}` of `{stack.name}` is called `{called}`: on "
                    f"`{self.owners[name].stacks[0]}`, another command has that name",
                    "where both are to be one model, make their commands equal",
                )
            )
        self.owners[called] = NameOwner((stack.name,), (keys,))
        return called

    def _free(self, name: str) -> str:
        number, found = 1, name
        while (
            found in self.owners or ("external", found) in self.external or (found in self.written)
        ):
            number += 1
            found = f"{name}-{number}"
        return found

    def _external(self, stack: HostStack, name: str, keys: Mapping[str, Any]) -> str:
        """The name of another server's model; equal ones of two machines are one."""
        known = self.external.get(("external", name))
        if known is not None and _target(name, known) == _target(name, keys):
            self._less(stack, name, known, keys)
            return name
        called = name
        if name in self.owners or known is not None:
            wished = next(iter(keys.get("aliases", ())), f"{stack.name}/{name}")
            called = self._free(str(wished))
            hint = "clients of that machine that ask for the old one have to follow"
            what = f"`{name}`, which `{stack.name}` has of {keys.get('endpoint')}, is called"
            self.faults.append(fault("same-name", f"{what} `{called}`: the name is taken", hint))
        own = {key: value for key, value in keys.items() if key != "aliases"}
        aliases = [alias for alias in keys.get("aliases", ()) if alias != called]
        own |= {"aliases": aliases} if aliases else {}
        if called != name:
            own.setdefault("upstream_model", name)
        self.external["external", called] = own
        if loopback(host_of(str(keys.get("endpoint")))) and len(self.stacks) > 1:
            self.faults.append(
                fault(
                    "external-on-loopback",
                    f"`{called}` is at {keys.get('endpoint')} of `{stack.name}`, and every host "
                    "looks for it on itself",
                    f"write the address of `{stack.name}` into its `endpoint`",
                )
            )
        return called

    def _less(
        self, stack: HostStack, name: str, known: Mapping[str, Any], keys: Mapping[str, Any]
    ) -> None:
        for key, value in keys.items():
            if key != "aliases" and known.get(key) != value:
                what = f"`{key} = {value}` of `{name}` on `{stack.name}`"
                self.faults.append(lost(what, "another host says it differently, and before"))
        aliases = [*known.get("aliases", ()), *keys.get("aliases", ())]
        if aliases:
            self.external["external", name]["aliases"] = [*dict.fromkeys(aliases)]

    def _peer(self, stack: HostStack, name: str, keys: Mapping[str, Any]) -> None:
        """A name that leads to another of the hosts: the model there has it, too."""
        wanted = str(keys.get("upstream_model") or name)
        host = self.doors[stack.name, str(keys.get("endpoint"))]
        found = self._found(host, wanted, {stack.name})
        if found is None:
            self.faults.append(
                fault(
                    "peer-without-model",
                    f"`{stack.name}` asks `{host}` for `{wanted}`, and no file of `{host}` has it: "
                    "it is left out",
                    f"`--host {host}=FILE`, where another file of `{host}` has it",
                )
            )
            return
        self.leads[stack.name].setdefault(name, found)
        taken = {*self.owners, *(path[1] for path in self.external)}
        names = [str(alias) for alias in (name, *keys.get("aliases", ()))]
        fresh = [alias for alias in names if alias not in taken]
        if found[0] == "external":
            own = self.external[found]
            own |= {"aliases": [*dict.fromkeys([*own.get("aliases", ()), *fresh])]} if fresh else {}
        else:
            self.more.setdefault(found[1], []).extend(fresh)
        own = {key: value for key, value in keys.items() if key not in (*_OWN, *_FALLBACKS)}
        for key, value in {**own.pop("llama_swap", {}), **own}.items():
            what = f"`{key} = {value}`, by which `{stack.name}` reaches `{host}`,"
            self.faults.append(lost(what, "hosts of one file reach each other in one way"))

    def _found(self, host: str, wanted: str, seen: set[str]) -> TablePath | None:
        """The table that a host means by a name, be it its own model or one of its own peers."""
        if host in seen:
            return None
        stack = self.stacks[host]
        for (_, name), keys in _models(stack):
            if wanted in (name, *map(str, keys.get("aliases", ())), *keys.get("variants", ())):
                return self.leads[host][name]
        for name, keys in _outside(stack):
            if wanted in (name, *map(str, keys.get("aliases", ()))):
                behind = self.doors.get((host, str(keys.get("endpoint"))))
                if behind is None:
                    return self.leads[host][name]
                asked = str(keys.get("upstream_model") or name)
                return self._found(behind, asked, seen | {host})
        return None

    def models(self) -> Iterator[tuple[TablePath, Keys]]:
        """[models.NAME] with its hosts: what all of them say."""
        for name, owner in self.owners.items():
            first = owner.keys[0]
            same = {
                key: value
                for key, value in first.items()
                if all(key in keys and keys[key] == value for keys in owner.keys)
            }
            host = owner.stacks[0] if len(owner.stacks) == 1 else [*owner.stacks]
            aliases = [alias for keys in owner.keys for alias in keys.get("aliases", ())]
            aliases += [alias for alias in self.more.get(name, ()) if alias not in aliases]
            found = {**same, "host": host}
            if aliases:
                found["aliases"] = [*dict.fromkeys(aliases)]
            for key in _FALLBACKS:
                if key in found:
                    leads = self.leads[owner.stacks[0]]
                    found[key] = [leads.get(item, ("", item))[1] for item in found[key]]
            yield ("models", name), found

    def scoped(self, stack: HostStack) -> dict[TablePath, Keys]:
        """Tables of one host alone: its settings, and what only it says of a shared model."""
        found: dict[TablePath, Keys] = {}
        leads = {name: path[1] for name, path in self.leads[stack.name].items()}
        for path, keys in stack.part.tables.items():
            if path[0] in LAID_OVER:
                found["hosts", stack.name, *path] = _renamed(path, keys, leads)
            elif path[0] not in ("models", "external"):
                found[path] = dict(keys)
        for name, owner in self.owners.items():
            if len(owner.stacks) > 1 and stack.name in owner.stacks:
                own = owner.keys[owner.stacks.index(stack.name)]
                differs = {
                    key: value
                    for key, value in own.items()
                    if key != "aliases"
                    and not all(key in keys and keys[key] == value for keys in owner.keys)
                }
                if differs:
                    found["hosts", stack.name, "models", name] = differs
        return found

    def referred(self, stack: HostStack) -> dict[TablePath, Keys]:
        """Tables of models that a host only speaks of, for whoever knows what they are."""
        found: dict[TablePath, Keys] = {}
        for path, keys in stack.part.tables.items():
            if path[0] != "models" or not keys.keys() <= REFERRED:
                continue
            if self.leads[stack.name].get(path[1], path)[0] == "models" and path[1] in self.owners:
                for key, value in keys.items():
                    what = f"`{key} = {value}` of `{path[1]}` on `{stack.name}`"
                    self.faults.append(lost(what, "the model is on another host"))
            else:
                found[path] = dict(keys)
        return found


def _models(stack: HostStack) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    for path, keys in stack.part.tables.items():
        if path[0] == "models" and len(path) == 2 and not keys.keys() <= REFERRED:
            yield (path[0], path[1]), keys


def _outside(stack: HostStack) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, keys in stack.part.tables.items():
        if path[0] == "external" and len(path) == 2:
            yield path[1], keys


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two tables say one command."""
    left = {key: value for key, value in one.items() if key not in _BESIDE}
    return left == {key: value for key, value in other.items() if key not in _BESIDE}


def _target(name: str, keys: Mapping[str, Any]) -> tuple[object, object]:
    return keys.get("endpoint"), keys.get("upstream_model") or name


def _renamed(path: TablePath, keys: Mapping[str, Any], leads: Mapping[str, str]) -> Keys:
    """A table of one host with the names that its models have in the whole file."""
    found = dict(keys)
    if path == ("plan",) and "wish_together" in found:
        found["wish_together"] = [
            [leads.get(name, name) for name in group] for group in found["wish_together"]
        ]
    if path == ("targets", "llama_swap") and "extra" in found:
        found["extra"] = _extra(found["extra"], leads)
    return found


def _extra(extra: Mapping[str, Any], leads: Mapping[str, str]) -> Keys:
    """llama-swap's selectors and profiles, which lead to models by name."""
    found = dict(extra)
    if "selectors" in found:
        found["selectors"] = {
            name: {**table, "targets": [leads.get(item, item) for item in table.get("targets", ())]}
            for name, table in found["selectors"].items()
        }
    if "profiles" in found:
        found["profiles"] = {
            name: {
                **table,
                "pins": {pin: leads.get(to, to) for pin, to in table.get("pins", {}).items()},
            }
            for name, table in found["profiles"].items()
        }
    return found
