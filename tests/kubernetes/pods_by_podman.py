"""Rendered pods as containers of podman: the words of each pod spec turned into those of `podman run`.

It stands for kubelet, which wants cgroups of its own: files of ConfigMaps and Secrets are folders,
a Service is a name on podman's network, probes are asked by the test. What it does not do: resource
requests, security contexts' seccomp, policies.
"""

import json
import re

UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class Pods:
    """The apps of a stack on one network of podman's."""

    def __init__(self, podman, found, folder, *, models, secrets):
        self.podman, self.folder, self.models, self.secrets = podman, folder, models, secrets
        self.maps = {i["metadata"]["name"]: i["data"] for i in found if i["kind"] == "ConfigMap"}
        self.apps = {i["metadata"]["name"]: i for i in found if i["kind"] == "Deployment"}
        services = [i for i in found if i["kind"] == "Service"]
        assert {i["metadata"]["name"] for i in services} >= {*self.apps}
        podman.must("podman", "network", "create", "llm")

    def start(self, name):
        """Init containers one after the other, then the pod's own."""
        spec = self.apps[name]["spec"]["template"]["spec"]
        places = {item["name"]: self._volume(name, item) for item in spec["volumes"]}
        for item in spec.get("initContainers", ()):
            words = [*self._words(spec, item, places), item["image"], *command(item)]
            done = self.podman.run("podman", "run", "--rm", *words)
            assert done.returncode == 0, (item["name"], done.stdout, done.stderr)
        (own,) = spec["containers"]
        names = [f"--name={name}", "--network=llm", f"--network-alias={name}"]
        words = [*names, *self._words(spec, own, places), own["image"], *command(own)]
        self.podman.must("podman", "run", "--detach", *words)
        return own

    def address(self, name):
        """Where a pod is on the network."""
        place = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return self.podman.must("podman", "inspect", f"--format={place}", name).strip()

    def log(self, name):
        """What its container said."""
        done = self.podman.run("podman", "logs", name)
        return done.stdout + done.stderr

    def is_ready(self, name, container):
        """What its readiness probe says."""
        probe = container["readinessProbe"]
        if "exec" in probe:
            words = ("podman", "exec", name, *map(filled, probe["exec"]["command"]))
        else:
            asked = probe["httpGet"]
            url = f"http://{self.address(name)}:{asked['port']}{asked['path']}"
            words = ("curl", "-fsS", "-m", "5", "-o", "/dev/null", url)
        return self.podman.run(*words).returncode == 0

    def _words(self, spec, item, places):
        security = {**spec["securityContext"], **item["securityContext"]}
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["runAsNonRoot"]
        yield from ("--cap-drop=all", "--security-opt=no-new-privileges", "--entrypoint=")
        yield f"--user={security['runAsUser']}:{security['runAsGroup']}"
        if security["readOnlyRootFilesystem"]:
            yield "--read-only"
            yield "--read-only-tmpfs=false"
        yield f"--memory={size(item['resources']['limits']['memory'])}"
        for variable in item.get("env", ()):
            yield f"--env={variable['name']}={filled(variable['value'])}"
        for mount in item["volumeMounts"]:
            how = ":ro" if mount.get("readOnly") else ""
            yield f"--volume={places[mount['name']]}:{mount['mountPath']}{how}"

    def _volume(self, app, item):
        """The folder on the machine that stands for a volume of a pod."""
        if "persistentVolumeClaim" in item:
            return self.models
        place = self.folder / app / item["name"]
        place.mkdir(parents=True)
        place.chmod(0o777)
        for source in item.get("projected", {}).get("sources", ()):
            data = self.maps[source["configMap"]["name"]]
            for entry in source["configMap"]["items"]:
                written(place / entry["path"], data[entry["key"]])
        for entry in item.get("secret", {}).get("items", ()):
            written(place / entry["path"], self.secrets[entry["key"]])
        return place


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o444)


def command(item):
    """Its words; an image's own entry point is none of the test's image."""
    return [filled(word) for word in (*item.get("command", ()), *item.get("args", ()))]


def filled(text):
    """A word as the program gets it: `$(NAME)` stands for a variable, `$$(` for itself."""
    assert not re.search(r"(?<!\$)\$\(", text), text
    return text.replace("$$(", "$(")


def size(text):
    """Bytes of a quantity."""
    number, unit = re.fullmatch(r"(\d+)([KMG]i)?", text).groups()
    return int(number) * UNITS.get(unit, 1)


def asked(pods, url, body, *, key):
    """(status, document) of an answer on the pods' network."""
    words = ["curl", "-s", "-m", "120", "-w", "\n%{http_code}", url]
    words += ["-H", f"authorization: Bearer {key}", "-H", "content-type: application/json"]
    if body is not None:
        words += ["-d", json.dumps(body)]
    text, _, status = pods.podman.run(*words).stdout.rpartition("\n")
    try:
        return int(status), json.loads(text)
    except ValueError:
        return int(status or 0), text
