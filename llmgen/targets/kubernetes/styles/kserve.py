"""KServe's resources (v0.16): LLMInferenceService and InferenceService with our own containers."""

from __future__ import annotations

from typing import Any, Final

from llmgen.engines.container import MODELS as FOLDER
from llmgen.targets.kubernetes.names import APP, MODELS, PART_OF, Object, labels, meta
from llmgen.targets.kubernetes.scene import App, ClusterScene
from llmgen.targets.kubernetes.styles.forms import Form

# What it calls the container that serves, and the Deployment that it makes.
_CONTAINERS: Final[dict[Form, str]] = {"llm": "main", "predictor": "kserve-container"}
_ENDS: Final[dict[Form, str]] = {"llm": "kserve", "predictor": "predictor"}
# What pods of an LLMInferenceService wear; the labels of ours do not reach them.
OF_LLM: Final = {PART_OF: "llminferenceservice", "kserve.io/component": "workload"}


def llm(app: App, scene: ClusterScene, template: Object) -> Object:
    """A model of texts. KServe lays this over a preset, and reads all of it as a Go template."""
    spec = _escaped(template["spec"])
    (container,) = spec["containers"]
    # The preset says that its container may be root, and has words for vLLM where there are none.
    allowed = {**container["securityContext"], "runAsNonRoot": True}
    words = container.get("args") or ["--port", str(app.container.port)]
    main = {**container, "name": _CONTAINERS["llm"], "args": words, "securityContext": allowed}
    model = app.plan.placements[0].model
    folder = str(model.path.parent.relative_to(FOLDER))
    claim = scene.table.storage.claim or MODELS
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "LLMInferenceService",
        "metadata": meta(app.name, app.name, app.component, scene.table.namespace),
        "spec": {
            "model": {
                "name": model.name,
                "uri": f"pvc://{claim}/{'' if folder == '.' else folder}".rstrip("/"),
            },
            "replicas": app.unit.copies,
            "template": {**spec, "containers": [main]},
        },
    }


def predictor(app: App, scene: ClusterScene, template: Object) -> Object:
    """A model of vectors or scores: a Deployment of KServe, for nobody outside the cluster."""
    spec = template["spec"]
    (container,) = spec["containers"]
    told = meta(app.name, app.name, app.component, scene.table.namespace)
    surge = scene.surge(app)
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            **told,
            "labels": {**told["labels"], "networking.kserve.io/visibility": "cluster-local"},
            "annotations": {
                # Its name of the mode that has no Knative; since v0.16 also `Standard`.
                "serving.kserve.io/deploymentMode": "RawDeployment",
                "serving.kserve.io/autoscalerClass": "none",
            },
        },
        "spec": {
            "predictor": {
                **spec,
                "containers": [{**container, "name": _CONTAINERS["predictor"]}],
                "labels": labels(app.name, app.component),
                "minReplicas": app.unit.copies,
                "maxReplicas": max(app.unit.copies, 1),
                "deploymentStrategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": surge, "maxUnavailable": 0 if surge else 1},
                },
            },
        },
    }


def selector(app: App) -> dict[str, str]:
    """The labels by which the pods of an LLMInferenceService are found."""
    return {APP: app.name, **OF_LLM}


def container(app: App) -> str | None:
    """What it calls the container of an app; None where the app's controller is another one."""
    return _CONTAINERS.get(app.form)


def controller(app: App) -> str:
    """The Deployment that it makes for an app."""
    return f"{app.name}-{_ENDS[app.form]}"


def _escaped(value: Any) -> Any:  # noqa: ANN401 - any value of an object
    """Every `{{` as text: KServe fills in templates wherever it finds one."""
    match value:
        case dict():
            return {key: _escaped(item) for key, item in value.items()}
        case list():
            return [_escaped(item) for item in value]
        case str():
            return value.replace("{{", "{{`{{`}}")
        case _:
            return value
