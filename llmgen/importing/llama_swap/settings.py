"""llama-swap's top-level keys beside `models`: settings, keys of clients, peers, what is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from llmgen.importing.llama_swap.macros import MACHINES, spoken
from llmgen.importing.llama_swap.peers import external
from llmgen.importing.llama_swap.plain_keys import passed
from llmgen.importing.llama_swap.together import together
from llmgen.importing.parts import Item, Key, fault, lost
from llmgen.resolve.swap_keys import passes

_SWAP: Final = ("services", "llama_swap")
_EXTRA: Final = ("targets", "llama_swap")


class File(NamedTuple):
    """What a reader of one key may want to know of the others."""

    models: Mapping[str, Any]
    names: Mapping[str, str]


_SettingReader = Callable[[Any, File], Iterator[Item]]


def settings(rest: Mapping[str, Any], models: Mapping[str, Any]) -> Iterator[Item]:
    """Everything that the keys beside `models` say; macros are filled in."""
    file = File(models, _names(models))
    for key, value in rest.items():
        if value is None:
            continue
        if key in _KEYS:
            yield from _KEYS[key](value, file)
        elif passes(key, "file"):
            yield from passed(_EXTRA, "extra", f"`{key}`", key, value)
        elif key.startswith("x-"):
            yield lost(f"`{key}`", "it holds parts for other keys, which have them")
        else:
            hint = "`-listen` is an option of the command line" if key == "listen" else ""
            yield fault("unknown-key", f"llama-swap ignores the key `{key}` without a word", hint)
    yield from together(rest, file.models, file.names)


def _names(models: Mapping[str, Any]) -> dict[str, str]:
    """Alias to model, as far as the file says."""
    found: dict[str, str] = {}
    for name, table in models.items():
        aliases = table.get("aliases") if isinstance(table, dict) else None
        found |= {spoken(alias): name for alias in (aliases if isinstance(aliases, list) else ())}
    return found


def _setting(to: str, kind: type) -> _SettingReader:
    def read(value: Any, file: File) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
        del file
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            yield Key(_SWAP, (to,), value)
        else:
            yield lost(f"`{to}`", f"`{value}` is nothing that llama-swap takes there")

    return read


def _health(value: Any, file: File) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    # llama-swap waits 15 s at least, whatever is written.
    return _setting("health_check_timeout", int)(
        max(value, 15) if isinstance(value, int) else value, file
    )


def _ttl(value: Any, file: File) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    del file
    if isinstance(value, int) and value >= 0:
        yield Key(("defaults",), ("ttl",), value)
    else:
        yield lost("`globalTTL`", f"`{value}` are no seconds")


def _requests(value: Any, file: File) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    del value, file
    yield lost("`logRequests`", "llama-swap reads it and does nothing with it")


def _keys(value: Any, file: File) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    del file
    if not isinstance(value, list):
        raise TypeError("`apiKeys` is no list")
    references = []
    for index, key in enumerate(value):
        known = MACHINES.fullmatch(spoken(key))
        if not known:
            yield fault(
                "secret-in-clear",
                f"`apiKeys[{index}]` holds a key in clear text",
                '`api_keys = [{ env = "LLAMA_SWAP_KEY" }]` in [services.llama_swap]',
            )
        named = f"LLAMA_SWAP_KEY_{index}" if index else "LLAMA_SWAP_KEY"
        references.append({"env": known[1] if known else named})
    if references:
        yield Key(_SWAP, ("api_keys",), references)


def _hooks(value: Any, file: File) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    hooks = _table(value, "hooks")
    for key in hooks:
        if key != "on_startup":
            yield fault("unknown-key", f"llama-swap ignores the key `hooks.{key}` without a word")
    start = _table(hooks.get("on_startup") or {}, "hooks.on_startup")
    for key in start:
        if key != "preload":
            what = f"`hooks.on_startup.{key}`"
            yield fault("unknown-key", f"llama-swap ignores the key {what} without a word")
    for item in start.get("preload") or ():
        name = spoken(item).strip()
        model = name if name in file.models else file.names.get(name)
        if model:
            yield Key(("models", model), ("preload",), value=True)
        elif file.models:
            yield fault(
                "preload-unknown",
                f"preload names `{name}`, which no model is called: it is dropped silently",
                "write `preload = true` into the model that is meant",
            )


def _peers(value: Any, file: File) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    del file
    yield from external(value)


def _routing(value: Any, file: File) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    """The scheduler's priorities; what the router says is read with groups and matrices."""
    routing = _table(value, "routing")
    scheduler = _table(routing.get("scheduler") or {}, "routing.scheduler")
    fifo = _table(scheduler.get("settings") or {}, "settings").get("fifo") or {}
    for name, number in (_table(fifo, "fifo").get("priority") or {}).items():
        if name not in file.models:
            yield lost(f"the priority of `{name}`", "llama-swap looks for models' own names")
        elif not isinstance(number, int) or not -100 <= number <= 100:
            yield lost(f"the priority {number} of `{name}`", "ours are -100 to 100")
        elif number:
            yield Key(("models", name), ("priority",), number)
    for key in routing:
        if key not in ("scheduler", "router"):
            yield fault("unknown-key", f"llama-swap ignores the key `routing.{key}` without a word")
    if scheduler.get("use") not in (None, "fifo"):
        yield lost("`routing.scheduler.use`", "llama-swap has `fifo` alone")


def _elsewhere(value: Any, file: File) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    """Read as a whole by ``together``."""
    del value, file
    return iter(())


def _table(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"`{what}` is no table")
    return value


_KEYS: Final[Mapping[str, _SettingReader]] = {
    "apiKeys": _keys,
    "captureBuffer": _setting("capture_buffer", int),
    "globalTTL": _ttl,
    "groups": _elsewhere,
    "healthCheckTimeout": _health,
    "hooks": _hooks,
    "includeAliasesInList": _setting("include_aliases_in_list", bool),
    "logLevel": _setting("log_level", str),
    "logRequests": _requests,
    "logToStdout": _setting("log_to_stdout", str),
    "matrix": _elsewhere,
    "metricsMaxInMemory": _setting("metrics_max_in_memory", int),
    "peers": _peers,
    "routing": _routing,
    "sendLoadingState": _setting("send_loading_state", bool),
    "startPort": _setting("start_port", int),
    "unloadTimeout": _setting("unload_timeout", int),
}
