"""A Helm chart of the same objects: its templates know names, images and counts, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Final

from msgspec import Struct

from llmgen.artifacts import Artifact
from llmgen.config.tables.base import CLUSTER_NAME, IMAGE_NAME
from llmgen.errors import Diagnostic, PlanError
from llmgen.render.header import OWNER
from llmgen.targets.kubernetes.base import grouped
from llmgen.targets.kubernetes.documents import file, text
from llmgen.targets.kubernetes.environment import environment, in_namespace, objects
from llmgen.targets.kubernetes.images import images, mapped, replaced, split
from llmgen.targets.kubernetes.names import NAME, Object
from llmgen.targets.kubernetes.scene import ClusterScene

FOLDER: Final = PurePosixPath(NAME, "chart")
# What Helm reads in a template as an action's beginning; a lone brace before one of ours would be.
_BRACES: Final = re.compile(r"\{\{|\{$")
# A chart has to have a version; which one of llm.toml it is, its repository says.
_CHART: Final[Object] = {
    "apiVersion": "v2",
    "name": "llmgen",
    "description": "The stack of llm.toml. It makes its own namespace, so the release is kept in "
    "another one that is there: helm install llm . --namespace default",
    "type": "application",
    "version": "0.1.0",
}

# Where objects say how many pods there are: of a controller, of KEDA at the most.
_COUNTED: Final = (
    ("spec", "replicas"),
    ("spec", "maxReplicaCount"),
    ("spec", "replicas", "max"),
    ("spec", "fallback", "replicas"),
)


class Marks(Struct, frozen=True):
    """Texts that stand where a value of the chart comes in; none is in any object."""

    stem: str

    @property
    def namespace(self) -> str:
        """Where the namespace is named."""
        return f"@{self.stem}@"

    @property
    def pattern(self) -> re.Pattern[str]:
        """Any of them; no key has an `@`."""
        return re.compile(f"@{self.stem}(?::(?:image|count):[^@]*)?@")

    @property
    def counts(self) -> str:
        """Any number of pods, as an expression."""
        return f"@{self.stem}:count:[^@]*@"

    def image(self, key: str) -> str:
        """Where an image is."""
        return f"@{self.stem}:image:{key}@"

    def count(self, key: str) -> str:
        """Where a number of pods is; the quotes around it go with it."""
        return f"@{self.stem}:count:{key}@"


def artifacts(scene: ClusterScene, base: Mapping[str, list[Object]]) -> Iterator[Artifact]:
    """The chart, and the values of each environment; PlanError where no values say what it is."""
    keys = _keys(images(item for items in base.values() for item in items))
    counts = dict(_counts(base))
    marks = _marks(base)
    marked = {
        group: [_marked(item, marks, keys, counts) for item in items]
        for group, items in grouped(in_namespace(scene, marks.namespace)).items()
    }
    told = _values(scene.table.namespace, {key: image for image, key in keys.items()}, counts)
    yield file(FOLDER / "Chart.yaml", [_CHART])
    yield file(FOLDER / "values.yaml", [told])
    most = dict(counts)
    for name, table in scene.table.environments.items():
        wanted = objects(environment(scene, name), table)
        own = _values(
            table.namespace or scene.table.namespace,
            {key: replaced(image, table.images) for image, key in keys.items()},
            {key: count for key, count in _counts(wanted) if key in counts},
        )
        _check(name, marked, marks, own, wanted)
        most = {key: max(count, own["replicas"].get(key, 0)) for key, count in most.items()}
        yield file(FOLDER / f"values-{name}.yaml", [own])
    schema = json.dumps(_schema(keys.values(), most), indent=2) + "\n"
    yield Artifact(FOLDER / "values.schema.json", schema.encode(), NAME)
    for group, items in marked.items():
        content = _template(text(items), marks, keys.values(), counts)
        yield Artifact(FOLDER / "templates" / f"{group}.yaml", content.encode(), NAME)


def _values(namespace: str, named: Mapping[str, str], counts: Mapping[str, int]) -> Object:
    return {"namespace": namespace, "images": dict(named), "replicas": dict(counts)}


def _check(
    name: str,
    marked: Mapping[str, list[Object]],
    marks: Marks,
    values: Object,
    wanted: Mapping[str, list[Object]],
) -> None:
    """What the templates make of these values has to be the objects of the environment."""
    table: dict[str, Any] = {marks.namespace: values["namespace"]}
    table |= {marks.image(key): image for key, image in values["images"].items()}
    table |= {marks.count(key): count for key, count in values["replicas"].items()}
    pattern = marks.pattern
    made = {
        group: [_filled(item, table, pattern) for item in items] for group, items in marked.items()
    }
    for group in {**made, **wanted}:
        if made.get(group) != wanted.get(group):
            raise PlanError(
                Diagnostic(
                    "kubernetes.helm-environment",
                    f"`{name}` has other objects in `{group}` than the chart, whose values are "
                    "names, images and counts alone",
                    ("kubernetes", "environments", name),
                    hint="`copies` above [kubernetes.scale] `min` for each model that is scaled; "
                    "or `helm = false`: overlays of kustomize say everything",
                )
            )


def _filled(value: Any, table: Mapping[str, Any], pattern: re.Pattern[str]) -> Any:  # noqa: ANN401
    match value:
        case dict():
            return {
                _filled(key, table, pattern): _filled(item, table, pattern)
                for key, item in value.items()
            }
        case list():
            return [_filled(item, table, pattern) for item in value]
        case str() if value in table:
            return table[value]
        case str():
            return pattern.sub(lambda found: str(table[found[0]]), value)
        case _:
            return value


def _keys(found: Iterable[str]) -> dict[str, str]:
    """A short name for each image: the last word of its path, with a digest where two share it."""
    names = {image: split(image)[0].rsplit("/", 1)[-1] for image in found}
    shared = [*names.values()]
    return {
        image: name
        if shared.count(name) == 1
        else f"{name}-{sha256(image.encode()).hexdigest()[:8]}"
        for image, name in names.items()
    }


def _counts(groups: Mapping[str, list[Object]]) -> Iterator[tuple[str, int]]:
    """How many pods each controller has, or may have at most, where its objects say it."""
    for items in groups.values():
        for item in items:
            for path in _COUNTED:
                count = _at(item, path)
                if isinstance(count, int):
                    yield item["metadata"]["name"], count


def _at(item: Object, path: Sequence[str]) -> object:
    found: object = item
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _marks(groups: Mapping[str, list[Object]]) -> Marks:
    whole = "".join(text(items) for items in groups.values())
    number = 0
    while f"@chart{number}" in whole:
        number += 1
    return Marks(f"chart{number}")


def _marked(
    item: Object, marks: Marks, keys: Mapping[str, str], counts: Mapping[str, int]
) -> Object:
    found = mapped(item, lambda image: marks.image(keys[image]))
    name = item["metadata"]["name"]
    for path in _COUNTED:
        if name in counts and isinstance(_at(item, path), int):
            found = _put(found, path, marks.count(name))
    return found


def _put(item: Object, path: Sequence[str], value: str) -> Object:
    key, *rest = path
    return {**item, key: _put(item[key], rest, value) if rest else value}


def _template(content: str, marks: Marks, keys: Iterable[str], counts: Iterable[str]) -> str:
    """The text with each mark as a value, and every brace of its own as a brace."""
    values = {marks.namespace: "{{ .Values.namespace }}"}
    values |= {
        marks.image(key): f"{{{{ index .Values.images {json.dumps(key)} }}}}" for key in keys
    }
    for name in counts:
        # A number: the quotes that every text has are none of its own.
        value = f"{{{{ int (index .Values.replicas {json.dumps(name)}) }}}}"
        values[f'"{marks.count(name)}"'] = value
    pieces = re.split(f'("{marks.counts}"|{marks.pattern.pattern})', content)
    return "".join(values.get(piece) or _BRACES.sub(_escaped, piece) for piece in pieces)


def _escaped(found: re.Match[str]) -> str:
    return f'{{{{ "{found[0]}" }}}}'


def _schema(keys: Iterable[str], most: Mapping[str, int]) -> dict[str, Any]:
    """What values may be; more pods than the nodes were proved to hold are refused."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": OWNER,
        "type": "object",
        "additionalProperties": False,
        "required": ["namespace", "images", "replicas"],
        "properties": {
            "namespace": {
                "type": "string",
                "pattern": CLUSTER_NAME,
                "description": "Where everything is, and what the Namespace is called",
            },
            "images": _table({key: {"type": "string", "pattern": IMAGE_NAME} for key in keys}),
            "replicas": _table(
                {
                    name: {
                        "type": "integer",
                        "minimum": 0,
                        "maximum": count,
                        "description": "Pods; no more than the nodes were proved to hold",
                    }
                    for name, count in most.items()
                }
            ),
        },
    }


def _table(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [*properties],
        "properties": properties,
    }
