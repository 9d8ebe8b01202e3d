"""What a real kubectl (1.32) prints when a real API server (1.34) refuses, in llmgen's words."""

import pytest

from llmgen.operate.kubectl.failures import failed, warned
from llmgen.operate.kubectl.place import ClusterPlace
from llmgen.operate.programs import ProgramResult

HERE = ClusterPlace("lab", "llm")
ADVICE = """Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""
CONFLICTS = f"""Apply failed with 2 conflicts: conflicts with "somebody" using apps/v1:
- .spec.progressDeadlineSeconds
- .spec.revisionHistoryLimit
{ADVICE}Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas
{ADVICE}"""
REFUSED = (
    "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?"
)
LOGGED = 'E1129 10:56:23.701506    5090 memcache.go:265] "Unhandled Error" err="couldn\'t get it"\n'
SECURITY = (
    'Error from server (Forbidden): pods "p" is forbidden: violates PodSecurity "restricted:v1.34": '
    'allowPrivilegeEscalation != false (container "a" must set it)'
)  # fmt: skip
CASES = [
    (REFUSED, "unreachable", "refused"),
    (LOGGED + REFUSED, "unreachable", "refused"),
    ("Unable to connect to the server: x509: certificate signed by unknown authority", "unreachable", "x509"),
    ("Unable to connect to the server: getting credentials: exec: executable aws not found", "unauthorized", "aws"),
    ("error: You must be logged in to the server (Unauthorized)", "unauthorized", "lab"),
    ("Error in configuration: context was not found for specified context: lab", "no-context", "`lab`"),
    ('error: context "lab" does not exist', "no-context", "`lab`"),
    ('error: error loading config file "/etc/passwd": json parse error', "kubeconfig", "/etc/passwd"),
    (
        ('Error from server (Forbidden): deployments.apps "coder" is forbidden: User "nobody" cannot patch '
        'resource "deployments" in API group "apps" in the namespace "llm"'),
        "forbidden",
        "`deployments.apps coder`: `nobody` may not patch deployments in `llm`",
    ),
    (
        ('Error from server (Forbidden): nodes is forbidden: User "nobody" cannot list resource "nodes" in '
        'API group "" at the cluster scope'),
        "forbidden",
        "`nobody` may not list nodes in the cluster `lab`",
    ),
    (SECURITY, "pod-security", "`pods p`: Pod Security `restricted:v1.34` of `llm`"),
    (
        ('Error from server (Forbidden): configmaps "z" is forbidden: exceeded quota: q, requested: '
        "count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1"),
        "quota",
        "`configmaps z`",
    ),
    ('unable to recognize no matches for kind "Nope" in version "example.com/v1"', "no-kind", "Nope of example.com/v1"),
    (
        ('error: error validating "STDIN": error validating data: ValidationError(ConfigMap): unknown field '
        '"dota" in io.k8s.api.core.v1.ConfigMap; if you choose to ignore these errors, turn validation off'),
        "unknown-field",
        "`dota`",
    ),
    ('Error from server (NotFound): namespaces "llm" not found', "no-namespace", "`llm`"),
    (
        'The Deployment "envoy" is invalid: \n* spec.selector: Invalid value: {"a":"b"}: field is immutable',
        "immutable",
        "spec.selector",
    ),
    ("Error from server (InternalError): an error on the server", "refused", "an error on the server"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "code", "named"), CASES)
def test_each_failure_is_named(said, code, named):
    (only,) = failed(ProgramResult(1, "", said), HERE)
    assert only.code == f"kubernetes.{code}"
    assert named in only.message
    assert only.hint


def test_conflicts_name_object_manager_and_fields():
    first, second = failed(
        ProgramResult(1, "", CONFLICTS), HERE, ["Deployment/envoy", "Deployment/coder"]
    )
    assert "`Deployment/envoy`: `somebody`" in first.message
    assert first.message.endswith(": .spec.progressDeadlineSeconds, .spec.revisionHistoryLimit")
    assert "`Deployment/coder`: `kubectl`" in second.message
    assert second.message.endswith(": .spec.replicas")


def test_where_it_is_not_plain_which_object_it_was_none_is_named():
    for item in failed(ProgramResult(1, "", CONFLICTS), HERE, ["Deployment/envoy"]):
        assert "Deployment" not in item.message


def test_lists_that_are_forbidden_are_one_message():
    said = "\n".join(
        f'Error from server (Forbidden): {what} is forbidden: User "nobody" cannot list resource "{what}" '
        'in API group "" in the namespace "llm"'
        for what in ("configmaps", "services")
    )
    (only,) = failed(ProgramResult(1, "", said), HERE)
    assert only.message == "`nobody` may not list configmaps, services in `llm`"


def test_many_failures_are_summed_up():
    said = "\n".join(
        f'Error from server (Invalid): ConfigMap "c{n}" is invalid: x' for n in range(50)
    )
    told = failed(ProgramResult(1, "", said), HERE)
    assert len(told) < 12
    assert "42 more objects" in told[-1].message


def test_a_long_one_is_cut():
    (only,) = failed(ProgramResult(1, "", "error: " + "x" * 100_000), HERE)
    assert len(only.message) < 1000


def test_nothing_said_is_an_exit_code():
    (only,) = failed(ProgramResult(3, "", ""), HERE)
    assert "exit code 3" in only.message


def test_a_workload_whose_pods_are_refused_is_warned_of():
    said = 'Warning: would violate PodSecurity "restricted:v1.34": runAsNonRoot != true\nWarning: other\n'
    (only,) = warned(said, HERE)
    assert only.code == "kubernetes.pod-security"
    assert "runAsNonRoot" in only.message
