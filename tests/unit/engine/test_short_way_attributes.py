"""What attribute sources gave before, as the short way sees it."""

from typing import Any

from sidecar.authz.facts import NOT_HAD
from sidecar.engine.attributes import AttributeRef, RememberedAttributes
from sidecar.engine.check import _locate
from sidecar.engine.rules import facts_of
from sidecar.model.decision import Deny
from sidecar.model.instant import Instant
from tests.support.inputs import make_input
from tests.support.policies import NOON, person

from .test_attributes import SOURCE, World, recompiled


def test_the_short_way_remembers_the_same() -> None:
    """Per source as configured, and for each value of each variable; and no longer than the source says."""
    world = World(SOURCE.replace("{post_id}/owner", "{post_id}/for/{user.id}"))
    answers: dict[tuple[str, str], Any] = {("7", "ann"): {"department": "eng"}, ("8", "ann"): {"department": "ops"}, ("7", "zoe"): None}

    def remembered(post: str, subject: str) -> Any:
        principal = world.snapshot.rbac.principal(person(subject), NOON)
        request = make_input(path=f"/posts/{post}")
        found = _locate(request, world.snapshot, None)
        assert not isinstance(found, Deny)
        view = RememberedAttributes(world.snapshot.attributes, world.engine.attributes, world.mono)
        facts = facts_of(principal, request, found[0], world.snapshot, Instant(NOON, world.mono), view)
        return view.get("resource.owner", facts)

    for (post, subject), value in answers.items():
        assert remembered(post, subject) is NOT_HAD
        world.answers[f"/posts/{post}/for/{subject}"] = value
        world.decide(f"/posts/{post}", subject)
    for (post, subject), value in answers.items():
        assert remembered(post, subject) == value
    assert remembered("8", "zoe") is NOT_HAD
    world.mono = 30.0
    assert remembered("7", "ann") is NOT_HAD
    world.mono = 0.0
    world.snapshot = recompiled(world.snapshot, {"post-owner": AttributeRef()})
    assert remembered("7", "ann") is NOT_HAD
