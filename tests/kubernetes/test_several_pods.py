"""Pods of one controller: on different nodes where there is room, and never all drained."""

from made import objects, one, pod_specs, stack

from llmgen.targets.kubernetes.environment import environment

TEXT = """
[models.chat]
model = "chat.gguf"
ctx_size = 1024
keep = "always"
hosts = {}
[kubernetes.pools.gpu]
count = 4
[kubernetes.environments.prod]
copies.chat = {}
"""


def budgets(found):
    return [item for item in found if item["kind"] == "PodDisruptionBudget"]


def test_one_of_several_pods_is_drained_at_a_time():
    found = objects(stack(TEXT.format(2, 3)))
    spec = one(found, "PodDisruptionBudget", "model-chat")["spec"]
    assert spec["maxUnavailable"] == 1
    pods = one(found, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= pods.items()


def test_node_of_a_single_pod_can_be_drained():
    assert not budgets(objects(stack(TEXT.format(1, 0))))


def test_environment_has_no_objects_that_the_base_lacks():
    made = stack(TEXT.format(1, 3))
    assert budgets(objects(made)) == budgets(objects(environment(made, "prod")))
    assert len(budgets(objects(made))) == 1


def test_pods_are_spread_where_there_is_room_and_no_further():
    (spec,) = pod_specs(objects(stack(TEXT.format(2, 1)))).values()
    (constraint,) = spec["topologySpreadConstraints"]
    assert constraint["topologyKey"] == "kubernetes.io/hostname"
    # What has to be spread could wait for a node where the proof says that there is room.
    assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
