"""Each rule has a machine where it holds, one where it fails, and one where nobody can tell."""

from pathlib import PurePosixPath

import pytest
from making import config, facts
from msgspec import structs

from llmgen.budget.memory import DeviceMemory, Estimate
from llmgen.budget.settings import ServerSettings
from llmgen.config.tables.models import ServerOptions
from llmgen.config.tables.sampling import Sampling
from llmgen.doctor.observations import FileSeen, Holder, ImageSeen, Ran, Seen
from llmgen.doctor.rules import (
    containers,
    files,
    gateways,
    gpu,
    heat,
    kernels,
    memory,
    options,
    programs,
    rpc,
    secrets,
    services,
)
from llmgen.layout import layout
from llmgen.library import Keep, Library, Model, Open
from llmgen.machine import Machine, MachineDevice
from llmgen.plan.plan import Placement, Plan, Router
from llmgen.units import GIB

FILE = "/home/llm/models/a.gguf"
HELP = """\
-c,    --ctx-size N                     size of the prompt context
-fa,   --flash-attn [on|off|auto]       set Flash Attention use
-lm,   --load-mode {none,mmap,mlock}    how weights are read
"""


TWO = (MachineDevice("gpu0", "CUDA0", 12 * GIB, 0), MachineDevice("gpu1", "CUDA1", 24 * GIB, 0))
LISTED = """\
Available devices:
  CUDA0: NVIDIA GeForce RTX 3060 (11911 MiB, 11800 MiB free)
  CUDA1: NVIDIA GeForce RTX 4090 (24080 MiB, 23686 MiB free)
"""
SWAPPED = """\
Available devices:
  CUDA0: NVIDIA GeForce RTX 4090 (24080 MiB, 23686 MiB free)
  CUDA1: NVIDIA GeForce RTX 3060 (11911 MiB, 11800 MiB free)
"""


GREETING, LISTING = rpc.greeting("127.0.0.1:50052"), rpc.listing("127.0.0.1:50052")
MISMATCH = "RPC server version mismatch: 6.0.0"


def machine(**changes):
    device = MachineDevice("gpu0", "CUDA0", 24 * GIB, 0)
    base = Machine("box", "linux", "cuda", 32 * GIB, 2 * GIB, False, (device,), 0, GIB)
    return structs.replace(base, **changes)


def plan(text="", *, on=None, argv=("llama-server", "--ctx-size", "4096"), **settings):
    told = config('[models.a]\nmodel="a.gguf"\n' + text)
    where = layout(told.paths, told.services.scope)
    model = Model(
        name="a",
        title="a",
        description="",
        role="chat",
        host="box",
        ref="file:a.gguf",
        facts=facts("a.gguf"),
        path=PurePosixPath(FILE),
        settings=ServerSettings(**settings),
        open=Open(),
        options=ServerOptions(),
        sampling=Sampling(),
        keep=Keep.ON_DEMAND,
    )
    estimate = Estimate(4096, 4096, True, (DeviceMemory("host", 0, 0, 0),))
    placement = Placement(model, "box", Keep.ON_DEMAND, model.settings, estimate, {}, argv=argv)
    library = Library(told, on or machine(), where, 11434, 250, (model,))
    return Plan(library, (), (placement,), {"box": Router(1)}, (), (), ports={"a": 9001})


SIZE = facts("a.gguf").size_bytes
METAL = machine(
    os="macos",
    backend="metal",
    unified=True,
    memory_bytes=64 * GIB,
    devices=(MachineDevice("gpu0", "MTL0", 56 * GIB, 0),),
)
HALO = machine(backend="rocm", devices=(MachineDevice("gpu0", "ROCm0", 96 * GIB, 0),))
SPARK = machine(profile="dgx-spark", toolkit="13.0")
CORS = '[gateway.envoy]\nenable=true\ncors_origins=["http://page"]\n'
VRAM = "/sys/class/drm/card0/device/mem_info_vram_total"
SWAP = "/usr/local/bin/llama-swap"
SERVER = "/usr/local/bin/llama-server"

KEYS = """
[gateway.envoy]
enable = true
api_keys = [{ name = "me", secret = { file = "me.key" } }]
tls = { cert = "tls/cert.pem", key = "tls/key.pem" }
"""
KEY_FILE = "/home/llm/.config/llmgen/me.key"

HOT = " ".join(heat.NVIDIA)
THERM = " ".join(heat.MACOS)
ROCM = machine(backend="rocm", architecture="gfx1151")
NODE = f"{kernels.KFD_NODES}/1/properties"
STRIX = Seen(sysfs={NODE: "cpu_cores_count 0\ngfx_target_version 110501\n"})
SENSOR = "/sys/class/drm/card0/device/hwmon/hwmon3/temp2_"

COMPOSED = """
[services]
runtime = "compose"
scope = "SCOPE"
[containers]
program = "podman"
llama_swap_image = "IMAGE"
"""
IMAGE = "registry.example/swap:1"
DIGEST = "sha256:" + "0" * 64
USERS_GROUP = containers.DELEGATED.format(uid=1000)
GETSEBOOL = " ".join(containers.GETSEBOOL)
CDI = " ".join(containers.CDI)
BOOT = " ".join(containers.BOOT["podman"])
OF_CUDA = {IMAGE: ImageSeen("amd64", "13.0.1")}


def borrowing():
    """A model on a device of another machine, by a tunnel."""
    text = """
[rpc.borrow.spark]
address = "spark"
devices = { gpu0 = "8GiB" }
ports = { a = 50052 }
"""
    there = MachineDevice("rpc:spark/gpu0", "rpc:spark/gpu0", 8 * GIB, 0, lender="spark")
    return plan(text, on=machine(borrowed=(there,)), devices=(there.key,))


def contained(scope="system", image=IMAGE, program="podman", **changes):
    """A plan whose llama-swap runs in a container."""
    text = COMPOSED.replace("SCOPE", scope).replace("IMAGE", image)
    text = text.replace('"podman"', f'"{program}"')
    return plan(text, on=machine(**changes))


CASES = [
    (
        containers.runtime,
        contained(),
        Seen(ran={"podman --version": Ran(0, "podman version 5.4.2")}),
        Seen(ran={"podman --version": Ran(None, err="not there")}),
        Seen(),
    ),
    (
        containers.compose,
        contained(),
        Seen(ran={"podman compose version": Ran(0, "Docker Compose version v5.6.1")}),
        Seen(ran={"podman compose version": Ran(125, err="looking up compose provider failed")}),
        Seen(),
    ),
    (
        containers.starts_at_boot,
        contained(),
        Seen(ran={BOOT: Ran(0, "enabled\n")}),
        Seen(ran={BOOT: Ran(1, "disabled\n")}),
        Seen(),
    ),
    (
        containers.limits,
        contained("user"),
        Seen(sysfs={containers.CONTROLLERS: "cpu memory", USERS_GROUP: "cpu memory pids"}),
        Seen(sysfs={containers.CONTROLLERS: "cpu memory", USERS_GROUP: "pids"}),
        Seen(),
    ),
    (containers.users, contained("user"), Seen(subuids=65536), Seen(subuids=0), Seen()),
    (
        containers.nvidia,
        contained(),
        Seen(ran={CDI: Ran(0, "nvidia.com/gpu=0\nnvidia.com/gpu=all\n")}),
        Seen(ran={CDI: Ran(None, err="not there")}),
        Seen(),
    ),
    (
        containers.selinux,
        contained(backend="rocm"),
        Seen(sysfs={containers.SELINUX: "1"}, ran={GETSEBOOL: Ran(0, f"{GETSEBOOL} --> on")}),
        Seen(sysfs={containers.SELINUX: "1"}, ran={GETSEBOOL: Ran(0, f"{GETSEBOOL} --> off")}),
        Seen(),
    ),
    (
        containers.images,
        contained(),
        Seen(images={IMAGE: ImageSeen("arm64")}, architecture="arm64"),
        Seen(images={IMAGE: ImageSeen("amd64")}, architecture="arm64"),
        Seen(),
    ),
    (
        containers.image_cuda,
        contained(),
        Seen(ran={"nvidia-smi": Ran(0, "CUDA Version: 13.0 |")}, images=OF_CUDA),
        Seen(ran={"nvidia-smi": Ran(0, "CUDA Version: 12.8 |")}, images=OF_CUDA),
        Seen(images=OF_CUDA),
    ),
    (
        containers.pinned,
        contained(),
        Seen(images={IMAGE: ImageSeen("amd64")}),
        Seen(images={IMAGE: ImageSeen("amd64", digests=(f"{IMAGE}@{DIGEST}",))}),
        None,
    ),
    (
        programs.present,
        plan(),
        Seen(programs={"llama_server": True, "llama_swap": True}),
        Seen(programs={"llama_server": False, "llama_swap": True}),
        Seen(),
    ),
    (
        rpc.same_build,
        plan('[rpc.lend.b]\nport = 50052\nmemory = { gpu0 = "1GiB" }\n'),
        Seen(ran={rpc.BESIDE: Ran(0, "", "version: 0.6.0-dev (build 11434, commit x)")}),
        Seen(ran={rpc.BESIDE: Ran(0, "", "version: 0.6.0-dev (build 11433, commit x)")}),
        Seen(),
    ),
    (
        rpc.taken,
        borrowing(),
        Seen(ran={GREETING: Ran(0, "7.0.0"), LISTING: Ran(0, "  RPC0: 127.0.0.1:50052 (1 MiB)")}),
        Seen(ran={GREETING: Ran(0, "6.0.0"), LISTING: Ran(-6, "", MISMATCH)}),
        Seen(ran={GREETING: Ran(0, "busy")}),
    ),
    (
        programs.llama_server_build,
        plan(),
        Seen(
            ran={"llama_server --version": Ran(0, "", "version: 0.6.0-dev (build 11434, commit x)")}
        ),
        Seen(ran={"llama_server --version": Ran(0, "", "version: 9000 (abc)")}),
        Seen(
            ran={
                "llama_server --version": Ran(0, "", "version: 0.6.0-dev (build 0, commit unknown)")
            }
        ),
    ),
    (
        programs.llama_swap_version,
        plan(),
        Seen(ran={"llama_swap -version": Ran(0, "version: 251 (abc)")}),
        Seen(ran={"llama_swap -version": Ran(0, "version: v199 (abc)")}),
        Seen(ran={"llama_swap -version": Ran(0, "version: 0 (abc)")}),
    ),
    (
        programs.memory_scheduler,
        plan('[services]\non_demand = "router"\n'),
        Seen(ran={"llama_server --help": Ran(0, "--models-max N")}),
        Seen(ran={"llama_server --help": Ran(0, "--models-memory-margin N")}),
        Seen(ran={"llama_server --help": Ran(None)}),
    ),
    (
        options.known,
        plan(argv=("x", "--ctx-size", "1", "--flash-attn", "on")),
        Seen(ran={"llama_server --help": Ran(0, HELP)}),
        Seen(ran={"llama_server --help": Ran(0, HELP.replace("--ctx-size", "--other"))}),
        Seen(ran={"llama_server --help": Ran(None)}),
    ),
    (options.hidden, plan(), Seen(), Seen(environment={"LLAMA_ARG_CTX_SIZE": "1"}), None),
    (
        files.models,
        plan(),
        Seen(files={FILE: FileSeen(SIZE, readable=True, magic=b"GGUF")}),
        Seen(files={FILE: FileSeen(SIZE - 1, readable=True, magic=b"GGUF")}),
        Seen(),
    ),
    (
        services.ports,
        plan(),
        Seen(ports={9001: None, 8080: None}),
        Seen(ports={9001: Holder(7, "nginx"), 8080: None}),
        Seen(),
    ),
    (
        # Services of the system, asked by somebody who may not see their processes.
        services.ports,
        plan('[services]\nscope = "system"\n'),
        Seen(ports={9001: None, 8080: None}),
        Seen(ports={9001: Holder(7, "nginx"), 8080: None}),
        Seen(ports=dict.fromkeys((9001, 8080), Holder(None, "another user's program"))),
    ),
    (memory.total, plan(), Seen(memory_bytes=31 * GIB), Seen(memory_bytes=16 * GIB), Seen()),
    (
        memory.amd_split,
        plan(on=HALO),
        Seen(sysfs={VRAM: str(96 * GIB), VRAM.replace("card0", "card1"): str(512 * 2**20)}),
        Seen(sysfs={VRAM: str(512 * 2**20)}),
        Seen(),
    ),
    (
        memory.wired_limit,
        plan(on=METAL),
        Seen(ran={"sysctl iogpu.wired_limit_mb": Ran(0, str(56 * 1024))}),
        Seen(ran={"sysctl iogpu.wired_limit_mb": Ran(0, "0")}),
        Seen(),
    ),
    (
        gpu.nvidia_driver,
        plan(),
        Seen(ran={"nvidia-smi -L": Ran(0, "GPU 0: RTX 3090 (UUID)")}),
        Seen(ran={"nvidia-smi -L": Ran(9, "", "couldn't communicate with the NVIDIA driver")}),
        Seen(ran={"nvidia-smi -L": Ran(None)}),
    ),
    (
        gpu.toolkit,
        plan(on=SPARK),
        Seen(ran={"nvidia-smi": Ran(0, "CUDA Version: 13.1 |")}),
        Seen(ran={"nvidia-smi": Ran(0, "CUDA Version: 12.8 |")}),
        Seen(),
    ),
    (
        gpu.backend_in_build,
        plan(),
        Seen(
            ran={"llama_server --list-devices": Ran(0, "Available devices:\n  CUDA0: RTX (24 GiB)")}
        ),
        Seen(ran={"llama_server --list-devices": Ran(0, "Available devices:\n")}),
        Seen(),
    ),
    (
        gpu.device_order,
        plan(on=machine(devices=TWO)),
        Seen(ran={"llama_server --list-devices": Ran(0, LISTED)}),
        Seen(ran={"llama_server --list-devices": Ran(0, SWAPPED)}),
        Seen(ran={"llama_server --list-devices": Ran(0, "Available devices:\n")}),
    ),
    (
        gpu.groups,
        plan(on=HALO),
        Seen(groups=("llm", "render", "video")),
        Seen(groups=("llm",)),
        Seen(),
    ),
    (
        services.memlock,
        plan(load_mode="mlock"),
        Seen(memlock_bytes=-1),
        Seen(memlock_bytes=1),
        Seen(),
    ),
    (services.linger, plan(), Seen(linger=True), Seen(linger=False), Seen()),
    (services.restart_loops, plan(), Seen(restarts={"u": 0}), Seen(restarts={"u": 9}), None),
    (
        services.slow_load,
        plan(),
        Seen(logs={"a": "load time = 900.0 ms"}),
        Seen(logs={"a": "load time = 90000.0 ms"}),
        None,
    ),
    (
        services.no_gpu_layers,
        plan(),
        Seen(logs={"a": "offloaded 5/5 layers to GPU"}),
        Seen(logs={"a": "offloaded 0/5 layers to GPU"}),
        None,
    ),
    (
        secrets.closed,
        plan(KEYS),
        Seen(secrets={KEY_FILE: 0o640}),
        Seen(secrets={KEY_FILE: 0o644}),
        Seen(),
    ),
    (
        gateways.cors,
        plan(CORS),
        Seen(cors={"http://page": "http://page"}),
        Seen(cors={"http://page": ""}),
        Seen(),
    ),
    (
        kernels.architecture,
        plan(on=ROCM),
        STRIX,
        Seen(sysfs={NODE: "gfx_target_version 110000\n"}),
        Seen(),
    ),
    (
        kernels.code_for_gpu,
        plan(on=ROCM),
        Seen(logs={"a": "loading"}),
        Seen(logs={"a": "ROCm error: invalid device function"}),
        None,
    ),
    (
        heat.nvidia,
        plan(),
        Seen(ran={HOT: Ran(0, "0, 61, Not Active, Not Active")}),
        Seen(ran={HOT: Ran(0, "0, 95, Active, Not Active")}),
        Seen(),
    ),
    (
        heat.amd,
        plan(on=ROCM),
        Seen(sysfs={f"{SENSOR}input": "60000", f"{SENSOR}crit": "100000"}),
        Seen(sysfs={f"{SENSOR}input": "97000", f"{SENSOR}crit": "100000"}),
        Seen(sysfs={f"{SENSOR}input": "97000"}),
    ),
    (
        heat.macos,
        plan(on=METAL),
        Seen(ran={THERM: Ran(0, "CPU_Speed_Limit \t= 100")}),
        Seen(ran={THERM: Ran(0, "CPU_Speed_Limit \t= 52")}),
        Seen(),
    ),
]


def verdicts(rule, made, seen):
    return {finding.verdict.value for finding in rule(made, seen)}


@pytest.mark.parametrize(
    ("rule", "made", "well", "ill", "blind"), CASES, ids=lambda item: getattr(item, "__name__", "")
)
def test_rule_tells_well_from_ill_and_admits_what_it_cannot_see(rule, made, well, ill, blind):
    assert verdicts(rule, made, well) <= {"ok", "unknown"}
    assert "ok" in verdicts(rule, made, well)
    assert "failed" in verdicts(rule, made, ill)
    if blind is not None:
        assert verdicts(rule, made, blind) == {"unknown"}


@pytest.mark.parametrize(
    ("rule", "made", "well", "ill", "blind"), CASES, ids=lambda item: getattr(item, "__name__", "")
)
def test_every_failure_names_what_mends_it(rule, made, well, ill, blind):
    del well, blind
    failed = [item for item in rule(made, ill) if item.verdict.value == "failed"]
    assert all(item.fix and item.expected and item.observed for item in failed)


def test_every_rule_has_a_case():
    from llmgen.doctor.rules import RULES  # noqa: PLC0415

    assert {case[0] for case in CASES} == set(RULES)


def test_value_that_the_installed_server_does_not_know_is_named():
    made = plan(argv=("x", "--flash-attn", "sometimes"))
    (only,) = options.known(made, Seen(ran={"llama_server --help": Ran(0, HELP)}))
    assert only.observed == "unknown: --flash-attn sometimes"


def test_an_error_page_in_place_of_a_model_is_seen():
    page = FileSeen(SIZE, readable=True, magic=b"<!DO")
    (only,) = files.models(plan(), Seen(files={FILE: page}))
    assert only.verdict.value == "failed"
    assert "GGUF" in only.expected


@pytest.mark.parametrize(
    ("ref", "size", "fix"),
    [
        ("hf:o/n", None, "`llmgen pull`"),
        ("hf:o/n", SIZE - 1, f"`rm {FILE}`, then `llmgen pull`"),
        ("ollama:a:b", SIZE - 1, "`ollama pull a:b`"),
        ("file:a.gguf", SIZE - 1, "copy it there again; `llmgen lock` when another file is meant"),
    ],
)
def test_missing_or_cut_file_is_fetched_from_where_it_came(ref, size, fix):
    base = plan()
    model = structs.replace(base.placements[0].model, ref=ref)
    one = structs.replace(base.placements[0], model=model)
    here = structs.replace(base, placements=(one,))
    (only,) = files.models(here, Seen(files={FILE: FileSeen(size)}))
    assert only.fix == fix


def test_closed_folder_is_opened():
    seen = FileSeen(SIZE, readable=False, magic=b"GGUF", problem="closed", closed="/a b/")
    (only,) = files.models(plan(), Seen(files={FILE: seen}))
    assert only.fix.startswith("`sudo chmod o+x '/a b'`")


def test_every_file_with_a_key_is_looked_at():
    found = secrets.wanted(plan(KEYS))
    assert found == (KEY_FILE, "/home/llm/.config/llmgen/tls/key.pem")


def test_user_services_name_no_account_of_their_own():
    (found,) = gpu.groups(plan(on=HALO), Seen(groups=("me",)))
    assert found.fix == "`sudo usermod -aG render,video $USER`, then log in again"


@pytest.mark.parametrize(
    ("out", "verdict"),
    [
        ("0, 61, Not Active, Not Active\n", "ok"),
        ("0, 89, Not Active, Active\n", "failed"),
        ("0, 95, Active, Not Active\n", "failed"),
        ("Field is not a valid field to query.\n", "unknown"),
    ],
)
def test_heat_of_nvidia_cards(out, verdict):
    (found,) = heat.nvidia(plan(), Seen(ran={HOT: Ran(0, out)}))
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("number", "name"),
    [(110501, "gfx1151"), (90010, "gfx90a"), (100301, "gfx1031"), (120001, "gfx1201")],
)
def test_targets_are_spelled_as_compilers_spell_them(number, name):
    assert kernels.targets(Seen(sysfs={NODE: f"gfx_target_version {number}\n"})) == [name]


@pytest.mark.parametrize(("wanted", "verdict"), [("gfx1151", "ok"), ("gfx1100", "failed")])
def test_the_gpu_is_the_one_of_the_profile(wanted, verdict):
    (found,) = kernels.architecture(plan(on=machine(backend="rocm", architecture=wanted)), STRIX)
    assert (found.verdict, found.observed) == (verdict, "gfx1151")


def test_a_gpu_that_cannot_be_seen_is_unknown():
    (found,) = kernels.architecture(plan(on=machine(backend="rocm", architecture="gfx1")), Seen())
    assert found.verdict == "unknown"


@pytest.mark.parametrize(("override", "verdict"), [("11.0.0", "ok"), ("10.3.0", "failed")])
def test_an_override_of_another_family_is_found(override, verdict):
    on = machine(backend="rocm", environment=((kernels.OVERRIDE, override),))
    (found,) = kernels.architecture(plan(on=on), STRIX)
    assert (found.subject, found.verdict) == (kernels.OVERRIDE, verdict)


@pytest.mark.parametrize(
    "line",
    [
        "CUDA error: no kernel image is available for execution on the device",
        "ROCm error: invalid device function",
        "rocBLAS error: Cannot read /x/TensileLibrary.dat: No such file for GPU arch : gfx1151",
    ],
)
def test_a_build_without_code_for_the_gpu_is_found_in_the_log(line):
    seen = structs.replace(STRIX, logs={"a": f"loading\n{line}\nabort\n"})
    (found,) = kernels.code_for_gpu(plan(on=machine(backend="rocm")), seen)
    assert (found.verdict, found.evidence) == ("failed", line)
    assert "-DGPU_TARGETS=gfx1151" in found.fix


@pytest.mark.parametrize(("release", "verdict"), [("7.1.1-38\n", "ok"), ("6.4.3\n", "failed")])
def test_rocm_that_does_not_know_the_gpu_is_found(release, verdict):
    made = plan(on=machine(backend="rocm", toolkit="7.0"))
    (found,) = gpu.toolkit(made, Seen(sysfs={gpu.ROCM_RELEASE: release}))
    assert (found.rule, found.verdict) == ("rocm-release", verdict)
    (blind,) = gpu.toolkit(made, Seen())
    assert blind.verdict == "unknown"


def test_docker_gets_cards_by_its_runtime():
    ran = "docker info --format json"
    made = contained(program="docker")
    for text, verdict in (('{"Runtimes": {"nvidia": {}}}', "ok"), ('{"Runtimes": {}}', "failed")):
        (only,) = containers.nvidia(made, Seen(ran={ran: Ran(0, text)}))
        assert only.verdict.value == verdict


@pytest.mark.parametrize(
    ("program", "ran", "then"),
    [
        ("docker", {"docker info --format json": Ran(0, "{}")}, "nvidia-ctk runtime configure"),
        ("podman", {CDI: Ran(None, err="not there")}, "nvidia-ctk cdi generate"),
    ],
)
def test_a_missing_toolkit_is_told_from_its_package_to_the_gpu_in_a_container(program, ran, then):
    (only,) = containers.nvidia(contained(program=program), Seen(ran=ran))
    package, configured, seen = (
        only.fix.index(words)
        for words in ("nvidia-container-toolkit`", then, "llmgen tool llama-server --list-devices")
    )
    assert package < configured < seen


def test_an_image_by_its_digest_is_pinned_and_one_by_its_tag_is_told_its_own():
    (only,) = containers.pinned(contained(image=f"{IMAGE}@{DIGEST}"), Seen())
    assert only.verdict.value == "ok"
    seen = Seen(images={IMAGE: ImageSeen("amd64", digests=(f"registry.example/swap@{DIGEST}",))})
    (only,) = containers.pinned(contained(), seen)
    assert f"{IMAGE}@{DIGEST}" in only.fix


def test_nothing_of_a_stack_in_containers_is_looked_for_on_the_machine():
    assert [*programs.present(contained(), Seen())] == []
    assert [*options.known(contained(), Seen())] == []


def test_a_native_stack_is_asked_nothing_about_containers():
    seen = Seen(ran={"podman --version": Ran(None)}, sysfs={containers.CONTROLLERS: ""}, subuids=0)
    rules = (containers.runtime, containers.limits, containers.users, containers.images)
    assert [found for rule in rules for found in rule(plan(), seen)] == []
