import inspect
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

import producer.operations
from producer.access import RULES, Caller, Forbidden, Role, check
from producer.application import Producer
from producer.desk import Desk, operation
from worker.errors import SegmentExportError


def operations() -> dict[str, Callable[..., Any]]:
    """Every public function whose first argument is a desk."""
    modules = [f"producer.operations.{module.name}" for module in iter_modules(producer.operations.__path__)]
    functions = [
        each for name in modules for each in inspect.getmembers(import_module(name), inspect.isfunction)
    ]
    return {name: function for name, function in functions if hasattr(function, "__wrapped__")}


def test_every_operation_has_a_rule_and_every_rule_an_operation() -> None:
    assert set(operations()) == set(RULES)


@pytest.mark.parametrize("name", sorted(operations()))
@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_its_rule_says_and_nothing_else(
    producer: Producer, name: str, role: Role
) -> None:
    desk, function = Desk(producer, Caller("somebody", role)), operations()[name]
    parameters = list(inspect.signature(function).parameters.values())[1:]
    wanted = [
        each for each in parameters if each.default is each.empty and each.kind is not each.VAR_POSITIONAL
    ]
    given = [Path("nobody") if each.name == "file" else "nobody" for each in wanted]
    if role.covers(RULES[name]):
        # what happens then is another test's business, as long as it is not refused for the role
        with suppress(SegmentExportError):
            function(desk, *given)
        check(desk.caller, name)
        return
    with pytest.raises(Forbidden, match=f"somebody is an? {role}"):
        function(desk, *given)


def test_what_has_no_rule_nobody_may_do() -> None:
    with pytest.raises(Forbidden, match="it has no rule"):
        check(Caller("ada", Role.ADMINISTRATOR), "drop_everything")


def test_an_operation_without_a_rule_can_not_be_declared() -> None:
    def drop_everything(desk: Desk) -> None:
        del desk

    with pytest.raises(TypeError, match="has no rule"):
        operation(drop_everything)


@pytest.mark.parametrize("higher", list(Role))
@pytest.mark.parametrize("lower", list(Role))
def test_a_role_covers_itself_and_those_before_it(higher: Role, lower: Role) -> None:
    order = [Role.VIEWER, Role.CONTRIBUTOR, Role.ADMINISTRATOR]
    assert higher.covers(lower) is (order.index(higher) >= order.index(lower))


def test_the_local_desk_is_an_administrators(producer: Producer) -> None:
    caller = Desk.local(producer).caller
    assert (caller.role, caller.here, bool(caller.name)) == (Role.ADMINISTRATOR, True, True)
