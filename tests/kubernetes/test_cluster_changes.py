"""What happens to each object: what is wanted, what is left over, and what nobody touches."""

from llmgen.operate.kubectl.changes import Living, ObjectAction, decide, difference, foreign
from llmgen.operate.kubectl.objects import OURS, by_thing, thing


def an_object(kind="Service", name="a", *, version="v1", **more):
    meta = {"name": name, "namespace": "llm", "labels": dict(OURS), **more.pop("meta", {})}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **more}


def as_living(item, **more):
    written = {"resourceVersion": "1", "uid": "u", "managedFields": [], "creationTimestamp": "now"}
    meta = {**item["metadata"], **written}
    return {**item, "metadata": meta, "status": {"x": 1}, **more}


def living(*ours, dry=()):
    return Living(by_thing(ours), by_thing(dry), {"kind": "Namespace"})


def actions(changes):
    return [(item.action, item.thing.name) for item in changes]


def test_what_the_server_would_keep_is_kept():
    item = an_object(spec={"a": 1})
    (found,) = decide([item], living(as_living(item), dry=[as_living(item, status={})]))
    assert found.action is ObjectAction.KEEP
    assert difference([found]) == ""


def test_what_the_server_would_make_is_made_and_what_it_would_change_is_changed():
    new, old = an_object(name="new"), an_object(name="old", spec={"a": 1})
    dry = [new, as_living(an_object(name="old", spec={"a": 2}))]
    found = decide([new, old], living(as_living(old), dry=dry))
    assert actions(found) == [(ObjectAction.CREATE, "new"), (ObjectAction.UPDATE, "old")]
    text = difference(found)
    assert "--- /dev/null\n+++ b/Service/new\n" in text
    assert "-  a: 1\n+  a: 2\n" in text
    assert "uid" not in text


def left(*items, **how):
    return actions(decide([], living(*map(as_living, items)), **how))


def test_what_is_no_longer_wanted_goes():
    assert left(an_object(), an_object("Deployment", "d", version="apps/v1")) == [
        (ObjectAction.DELETE, "a"),
        (ObjectAction.DELETE, "d"),
    ]


def test_claims_stay_unless_they_are_asked_for():
    claim = an_object("PersistentVolumeClaim", "models")
    assert left(claim) == [(ObjectAction.STAY, "models")]
    assert left(claim, with_claims=True) == [(ObjectAction.DELETE, "models")]


def test_files_of_pods_that_may_come_back_stay():
    item = an_object("ConfigMap", "c")
    assert left(item, recent={thing(item)}) == [(ObjectAction.STAY, "c")]
    assert left(item) == [(ObjectAction.DELETE, "c")]


def test_nobody_elses_objects_go():
    of_controller = an_object("ConfigMap", meta={"ownerReferences": [{"kind": "Job"}]})
    of_others = an_object(meta={"labels": {"app.kubernetes.io/managed-by": "Helm"}})
    unknown = an_object("Secret")
    record = an_object(
        "ConfigMap", meta={"labels": {**OURS, "app.kubernetes.io/component": "generation"}}
    )
    assert left(of_controller, of_others, unknown, record) == []


def test_an_object_of_somebody_else_is_in_the_way():
    item = an_object()
    assert foreign([item], living(dry=[as_living(item)])) == [thing(item)]
    assert foreign([item], living(as_living(item), dry=[as_living(item)])) == []
    assert foreign([item], living(dry=[item])) == []
