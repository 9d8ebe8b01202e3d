"""The labels by which an app's pods are found, whoever starts them."""

from __future__ import annotations

from llmgen.targets.kubernetes.names import selector
from llmgen.targets.kubernetes.scene import App
from llmgen.targets.kubernetes.styles import kserve, lws


def of_all(app: App) -> dict[str, str]:
    """All of its pods."""
    return kserve.selector(app) if app.form == "llm" else selector(app.name)


def of_answering(app: App) -> dict[str, str]:
    """Those that answer: of a group its leader alone."""
    return lws.leader(app) if app.form == "group" else of_all(app)
