"""LeaderWorkerSets (v0.7): vLLM over several nodes, the leader answering for all of them.

Each pod has the devices that share a layer, and a part of the layers; `--nnodes` and `--node-rank`
make them one server without Ray (vLLM 0.12, "multi-node with multiprocessing").
"""

from __future__ import annotations

from typing import Final

from llmgen.targets.kubernetes.names import Object, meta, selector
from llmgen.targets.kubernetes.scene import App, ClusterScene

# What LeaderWorkerSet tells every container, and how its pods are numbered.
_LEADER: Final = "$(LWS_LEADER_ADDRESS)"
_INDEX: Final = "$(LWS_WORKER_INDEX)"
_NUMBER: Final = "leaderworkerset.sigs.k8s.io/worker-index"
# What a worker has not: nobody asks it, and it ends with its leader.
_OF_LEADERS: Final = ("ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle")


def group(app: App, scene: ClusterScene, template: Object) -> Object:
    """As many groups as the model has copies; when one pod ends, its group starts anew."""
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": meta(app.name, app.name, app.component, scene.table.namespace),
        "spec": {
            "replicas": app.unit.copies,
            "startupPolicy": "LeaderCreated",
            "networkConfig": {"subdomainPolicy": "Shared"},
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {"maxSurge": 0, "maxUnavailable": 1, "partition": 0},
            },
            "leaderWorkerTemplate": {
                "size": app.unit.nodes,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": _template(app, template, ("--node-rank", "0")),
                "workerTemplate": _template(
                    app, template, ("--node-rank", _INDEX, "--headless"), without=_OF_LEADERS
                ),
            },
        },
    }


def leader(app: App) -> dict[str, str]:
    """The labels of the pods that answer."""
    return {**selector(app.name), _NUMBER: "0"}


def _template(
    app: App, template: Object, words: tuple[str, ...], without: tuple[str, ...] = ()
) -> Object:
    spec = template["spec"]
    (container,) = spec["containers"]
    kept = {key: value for key, value in container.items() if key not in without}
    more = ("--nnodes", str(app.unit.nodes), "--master-addr", _LEADER, *words)
    one = {**kept, "args": [*container["args"], *more]}
    return {"metadata": template["metadata"], "spec": {**spec, "containers": [one]}}
