"""Services in containers as units: what files say, and the commands of quadlets and of compose."""

from pathlib import PurePosixPath

import pytest
from msgspec import structs

from llmgen.apply.changes import NO_WAYS
from llmgen.apply.write import apply, decide
from llmgen.artifacts import Artifact
from llmgen.config.tables.hardware import Paths
from llmgen.errors import InputError
from llmgen.layout import layout
from llmgen.operate.installation.checks import switching
from llmgen.operate.installation.install import nothing, perform, prepare
from llmgen.operate.installation.units import units
from llmgen.operate.managers import containers
from llmgen.operate.managers.compose import Compose
from llmgen.operate.managers.quadlets import Quadlets
from llmgen.operate.programs import ProgramResult
from llmgen.operate.site import Site, installed

COMPOSE = """\
name: llmgen
x-llmgen: {{program: {program}}}
services:
  swap:
    image: x
    container_name: llmgen-swap
    volumes:
      - {{type: bind, source: ./llama-swap, target: /etc/llmgen/llama-swap}}
  envoy:
    image: y
    container_name: llmgen-envoy
    secrets: [key]
secrets:
  key: {{file: /run/llmgen/secrets/key}}
"""
CONTAINER = """\
[Container]
Image=x
ContainerName=llmgen-swap
Network=llmgen.network
Volume=/etc/llmgen/llama-swap:/etc/llmgen/llama-swap:ro
[Install]
WantedBy=llmgen.target
"""
NETWORK = "[Network]\nNetworkName=llmgen\n"
SERVICE = "[Service]\nExecStart=/bin/x\n\n[Install]\nWantedBy=llmgen.target\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A site on a machine of its own, whose steps are decided as on the real one."""
    found = Site(layout(Paths(home=str(tmp_path)), "system"), "linux", tmp_path, tmp_path / "state")
    monkeypatch.setattr(Site, "is_staged", property(lambda _: False))
    return found


def tree(here, **files):
    """Artifacts by what they are: unit, container, network, compose, keys."""
    place = here.layout
    places = {
        "unit": place.units / "llmgen-swap.service",
        "guard": place.units / "llmgen-guard.service",
        "container": place.quadlets / "llmgen-swap.container",
        "network": place.quadlets / "llmgen.network",
        "compose": place.compose / "compose.yaml",
        "keys": place.compose / "envoy" / "keys.json",
        "values": place.compose / ".env",
        "config": place.compose / "llama-swap" / "config.yaml",
    }
    return installed(
        Artifact(PurePosixPath(key), text.encode(), "x", install=places[key])
        for key, text in files.items()
    )


def put(here, wanted):
    """As if an install had written these."""
    apply(here.place, decide(here.place, wanted, NO_WAYS))


def steps(found):
    return [" ".join(step.words) for step in found.first], [
        " ".join(step.words) for step in found.then
    ]


COMPOSED = {"compose": COMPOSE.format(program="podman")}
QUADLETS = {"container": CONTAINER, "network": NETWORK}
FILE = "/etc/llmgen/compose/compose.yaml"
DOWN = f"podman compose --file {FILE} down --remove-orphans"
UP = f"podman compose --file {FILE} up --detach --remove-orphans"
STOPS = [
    "systemctl stop llmgen-swap.service",
    "systemctl stop llmgen-network.service",
    "podman network rm --force llmgen",
]


@pytest.mark.parametrize(
    ("old", "new", "first", "then"),
    [
        ({}, COMPOSED, [], [UP]),
        ({}, QUADLETS, [], ["systemctl daemon-reload", "systemctl start llmgen-swap.service"]),
        (
            {"unit": SERVICE},
            COMPOSED,
            ["systemctl disable --now llmgen-swap.service"],
            ["systemctl daemon-reload", "systemctl reset-failed llmgen-swap.service", UP],
        ),
        (
            COMPOSED,
            {"unit": SERVICE},
            [DOWN],
            [
                "systemctl daemon-reload",
                "systemctl enable llmgen-swap.service",
                "systemctl start llmgen-swap.service",
            ],
        ),
        (
            {"unit": SERVICE},
            QUADLETS,
            ["systemctl disable --now llmgen-swap.service"],
            [
                "systemctl daemon-reload",
                "systemctl reset-failed llmgen-swap.service",
                "systemctl start llmgen-swap.service",
            ],
        ),
        (QUADLETS, COMPOSED, STOPS, None),
        (COMPOSED, {}, [DOWN], []),
        (QUADLETS, {}, STOPS, None),
        (COMPOSED, {"compose": COMPOSE.format(program="docker")}, [DOWN], None),
    ],
)
def test_what_leaves_has_ended_before_anything_new_starts(here, old, new, first, then):
    put(here, tree(here, **old))
    before, after = steps(prepare(here, tree(here, **new), NO_WAYS))
    assert before == first
    if then is not None:
        assert after == then


def test_nothing_is_written_where_nobody_would_run_the_containers(here, monkeypatch):
    """A daemon that does not answer, and a podman without a generator."""
    monkeypatch.setattr(containers, "run", lambda *_, **__: ProgramResult(1, "", "cannot connect"))
    for wanted, runtime in ((COMPOSED, "compose"), (QUADLETS, "quadlet")):
        site = structs.replace(here, runtime=runtime)
        monkeypatch.setattr(containers, "GENERATORS", ())
        found = prepare(site, tree(here, **wanted), NO_WAYS)
        with pytest.raises(InputError) as told:
            perform(site, found, reason="test", drain=nothing)
        assert told.value.diagnostics[0].code in ("operate.no-runtime", "operate.no-generator")
        assert not [*here.root.rglob("compose.yaml"), *here.root.rglob("*.container")]


def test_another_program_starts_what_the_old_one_has_ended(here):
    put(here, tree(here, **COMPOSED))
    _, after = steps(prepare(here, tree(here, compose=COMPOSE.format(program="docker")), NO_WAYS))
    assert after == [f"docker compose --file {FILE} up --detach --remove-orphans"]


def test_compose_finds_out_itself_what_a_rewritten_file_changes(here):
    put(here, tree(here, **COMPOSED))
    changed = tree(here, compose=COMPOSED["compose"].replace("image: y", "image: z"))
    assert steps(prepare(here, changed, NO_WAYS)) == ([], [UP])


def test_only_the_service_that_mounts_a_changed_file_is_made_anew(here):
    put(here, tree(here, config="a: 1\n", **COMPOSED))
    found = prepare(here, tree(here, config="a: 2\n", **COMPOSED), NO_WAYS)
    made = f"podman compose --file {FILE} up --detach --force-recreate --no-deps swap"
    assert steps(found) == ([], [made])


def test_a_changed_compose_file_does_not_hide_that_a_service_mounts_a_changed_one(here):
    """Compose compares its own file alone, and would leave llama-swap with the old one."""
    put(here, tree(here, config="a: 1\n", **COMPOSED))
    changed = COMPOSED["compose"].replace("image: y", "image: z")
    found = prepare(here, tree(here, config="a: 2\n", compose=changed), NO_WAYS)
    made = f"podman compose --file {FILE} up --detach --force-recreate --no-deps swap"
    assert steps(found) == ([], [UP, made])


def test_values_beside_the_compose_file_are_part_of_it(here):
    """An image and a folder stand there alone."""
    put(here, tree(here, values="A_IMAGE=a\n", **COMPOSED))
    found = prepare(here, tree(here, values="A_IMAGE=b\n", **COMPOSED), NO_WAYS)
    assert steps(found) == ([], [UP])


def test_a_container_restarts_when_a_file_in_its_folder_changes(here):
    unit = units(tree(here, **QUADLETS).values(), here.layout.quadlets)["llmgen-swap.service"]
    assert unit.uses(PurePosixPath("/etc/llmgen/llama-swap/config.yaml"))
    assert not unit.uses(PurePosixPath("/etc/llmgen/envoy/static.yaml"))


def test_keys_are_filled_before_compose_starts():
    manifest = PurePosixPath("/etc/llmgen/compose/envoy/keys.json")
    manager = Compose("docker", PurePosixPath(FILE), (manifest,))
    assert [*manager.restart((), rewritten=True)] == [
        ("llmgen", "keys", str(manifest)),
        ("docker", "compose", "--file", FILE, "up", "--detach", "--remove-orphans"),
    ]


def test_a_part_of_a_compose_file_is_named_and_all_of_it_is_not(here):
    swap, envoy = units(tree(here, **COMPOSED).values(), here.layout.compose).values()
    manager = Compose("podman", PurePosixPath(FILE))
    assert [*manager.stop([swap])] == [("podman", "compose", "--file", FILE, "stop", "swap")]
    assert [*manager.stop([swap, envoy])] == [tuple(DOWN.split())]


@pytest.mark.parametrize(
    ("program", "with_machine", "alone"),
    [("docker", "unless-stopped", "no"), ("podman", "always", "on-failure")],
)
def test_each_container_of_compose_gets_the_policy_of_its_program(
    here, program, with_machine, alone
):
    """One by one: podman's `update` takes one container."""
    found = units(tree(here, **COMPOSED).values(), here.layout.compose).values()
    manager = Compose(program, PurePosixPath(FILE))
    for way, policy in ((manager.by_itself, with_machine), (manager.by_hand, alone)):
        assert [*way([*found])] == [
            (program, "update", f"--restart={policy}", name)
            for name in ("llmgen-swap", "llmgen-envoy")
        ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({}, COMPOSED, None),
        (COMPOSED, {}, None),
        (COMPOSED, {"compose": COMPOSE.format(program="docker")}, None),
        ({"unit": SERVICE}, COMPOSED, ("native", "compose")),
        (COMPOSED, QUADLETS, ("compose", "quadlet")),
        (QUADLETS, {"unit": SERVICE}, ("quadlet", "native")),
        # The guard is a unit of the machine in every runtime, and no runtime by itself.
        ({"guard": SERVICE, **COMPOSED}, COMPOSED, None),
        ({"guard": SERVICE, **COMPOSED}, {"unit": SERVICE}, ("compose", "native")),
    ],
)
def test_a_switch_of_runtime_is_told(here, old, new, told):
    put(here, tree(here, **old))
    found = prepare(here, tree(here, **new), NO_WAYS).switch
    assert (found and (found.old, found.new)) == told
    said = [*switching(found)]
    assert [item.code for item in said] == ["operate.switches-runtime"] * bool(told)


def test_one_quadlet_cannot_be_left_to_be_started_by_hand(here):
    (swap, _) = units(tree(here, **QUADLETS).values(), here.layout.quadlets).values()
    with pytest.raises(InputError, match="generator"):
        [*Quadlets("system").by_hand([swap])]


def test_a_broken_compose_file_has_no_services():
    text = ("services: [", "services: 7", "", "services: {a: 7}")
    found = [
        units([Artifact(PurePosixPath("c"), item.encode(), "x", install=PurePosixPath(FILE))],
              PurePosixPath(FILE).parent)
        for item in text
    ]  # fmt: skip
    assert [[*item] for item in found] == [[], [], [], ["a"]]
