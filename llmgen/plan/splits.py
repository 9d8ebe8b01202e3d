"""Shares of models on several devices: what llm.toml leaves out is what the residents leave.

Without ``--tensor-split`` the server divides a model by the memory that is free when it starts, so
each model on several devices is told its shares, and planned with the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from llmgen.budget.server.placement import layer_shares, offloaded
from llmgen.budget.settings import ServerSettings
from llmgen.errors import Diagnostic, PlanError
from llmgen.library import Keep, Library, Model
from llmgen.plan.choices import blocks
from llmgen.plan.plan import Reason
from llmgen.plan.scale import Scale

SettingsByModel = Mapping[str, ServerSettings]


def told(library: Library, weigh: Scale, chosen: SettingsByModel) -> dict[str, ServerSettings]:
    """The settings with the shares of every model that is on several devices.

    Shares that llm.toml leaves out are numbers of layers, in proportion to what each device has for
    models: its capacity less its reserve and the models that are always loaded. Of those, the ones
    without shares of their own follow each other in the order of llm.toml.
    """
    found = dict(chosen)
    waiting = {model.name for model in library.models if is_untold(chosen[model.name])}
    if waiting:
        room = {pool.name: pool.budget_bytes for pool in weigh.pools}
        kept = [model for model in library.models if model.keep is Keep.ALWAYS or model.pin]
        for model in sorted(kept, key=lambda item: item.name in waiting):
            found[model.name] = shared(model, found[model.name], room)
            for pool, size in weigh.footprint(model, found[model.name]).items():
                room[pool] -= size
        for model in library.models:
            found[model.name] = shared(model, found[model.name], room)
    for model in library.models:
        check_draft(model, found[model.name])
    return found


def divided(library: Library) -> Library:
    """The library with every split that llm.toml leaves out sought, as with ``"auto"``."""
    models = (
        replace(item, open=replace(item.open, tensor_split=True)) if is_left_out(item) else item
        for item in library.models
    )
    return replace(library, models=tuple(models))


def is_left_out(model: Model) -> bool:
    """Whether llm.toml says nothing of the shares of a model that several devices can have."""
    if not model.is_llama or model.open.tensor_split or model.settings.tensor_split:
        return False
    several = len(model.settings.devices) > 1 or model.open.device
    return several and model.options.split_mode != "none" and _has_layers(model)


def _has_layers(model: Model) -> bool:
    return model.open.n_gpu_layers or bool(_shared_layers(model, model.settings))


def shared(model: Model, settings: ServerSettings, room: Mapping[str, int]) -> ServerSettings:
    """The settings with shares for this room, where they have none and several devices."""
    if not is_untold(settings) or not model.is_llama:
        return settings
    count = _shared_layers(model, settings)
    if not count:
        return settings
    free = [room[device] for device in settings.devices]
    return replace(settings, tensor_split=tuple(map(float, layer_shares(count, free))))


def _shared_layers(model: Model, settings: ServerSettings) -> int:
    """Layers that leave the host, of the model or else of its draft."""
    count = offloaded(blocks(model.facts), settings.n_gpu_layers)
    if not count and model.draft is not None and settings.draft is not None:
        return offloaded(blocks(model.draft), settings.draft.n_gpu_layers)
    return count


def reasons(model: Model, settings: ServerSettings) -> Iterator[Reason]:
    """Why shares that llm.toml left out are what they are."""
    if settings.tensor_split and not model.settings.tensor_split and not model.open.tensor_split:
        yield _reason(settings, "whole layers in proportion to what {} have for models")


def sought(model: Model, settings: ServerSettings) -> Iterator[Reason]:
    """Why they are others, where those in proportion do not fit.

    They divide all layers; where some are on the host, the server divides the others so.
    """
    if not settings.tensor_split:
        return
    whole = sum(settings.tensor_split) == _shared_layers(model, settings)
    what = "whole layers" if whole else "shares of the layers that leave the host,"
    yield _reason(settings, what + " where {} have room: in proportion they do not fit")


def _reason(settings: ServerSettings, why: str) -> Reason:
    shares = ", ".join(f"{share:g}" for share in settings.tensor_split)
    return Reason("tensor_split", shares, why.format(" and ".join(settings.devices)))


def is_untold(settings: ServerSettings) -> bool:
    """Whether shares are to be worked out for it: several devices, and none written."""
    return len(settings.devices) > 1 and not settings.tensor_split


def check_draft(model: Model, settings: ServerSettings) -> None:
    """PlanError for a draft that the server would divide by what is free: it has no own shares."""
    draft = settings.draft
    if model.draft is None or draft is None or not draft.n_gpu_layers:
        return
    devices = draft.devices or settings.devices
    shares = settings.tensor_split[: len(devices)]
    if len(devices) < 2 or (len(shares) == len(devices) and any(shares)):
        return
    raise PlanError(
        Diagnostic(
            "models.draft-devices",
            f"the draft of `{model.name}` is put on {' and '.join(devices)}, but llama-server "
            "divides a draft by the shares of its model, which has none for them",
            ("models", model.name, "draft", "device"),
            hint=f'`device = ["{devices[0]}"]`: one device for the draft',
        )
    )
