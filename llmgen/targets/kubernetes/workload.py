"""What has the pods, and the Services by which they are reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from llmgen.targets.kubernetes.names import Object, meta, selector
from llmgen.targets.kubernetes.pod import pod
from llmgen.targets.kubernetes.scene import App, ClusterScene
from llmgen.targets.kubernetes.styles import kserve, lws
from llmgen.targets.kubernetes.styles.forms import Form
from llmgen.targets.kubernetes.styles.pod_labels import of_answering

# Longest time without progress that a rollout is still one: a load, and the old pod's answers.
_DEADLINE_SECONDS = 600


def objects(scene: ClusterScene) -> Iterator[tuple[str, Object]]:
    """(group, object) of every app: its files, its pods, and the name under which it is reached."""
    for app in scene.apps:
        made = pod(app, scene)
        yield from ((app.group, item) for item in made.maps)
        yield app.group, CONTROLLERS[app.form](app, scene, made.template)
        yield app.group, service(app, scene)


def deployment(app: App, scene: ClusterScene, template: Object) -> Object:
    """The controller of its pods. Old ones go before new ones come, unless there is room."""
    surge, count = scene.surge(app), scene.replicas(app)
    seconds = app.container.health.start_seconds if app.container.health else 0
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(app.name, app.name, app.component, scene.table.namespace),
        "spec": {
            **({} if count is None else {"replicas": count}),
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": _DEADLINE_SECONDS + seconds + scene.table.longest_answer,
            "selector": {"matchLabels": selector(app.name)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": surge, "maxUnavailable": 0 if surge else 1},
            },
            "template": template,
        },
    }


def service(app: App, scene: ClusterScene) -> Object:
    """Its name within the namespace; nothing of it leaves the cluster."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(app.name, app.name, app.component, scene.table.namespace),
        "spec": {
            "type": "ClusterIP",
            "selector": of_answering(app),
            "ports": [
                {
                    "name": "http",
                    "port": app.container.port,
                    "protocol": "TCP",
                    "targetPort": "http",
                }
            ],
        },
    }


# What has the pods, by the form that the style gives them.
CONTROLLERS: Final[dict[Form, Callable[[App, ClusterScene, Object], Object]]] = {
    "deployment": deployment,
    "llm": kserve.llm,
    "predictor": kserve.predictor,
    "group": lws.group,
}
