"""``yieldbot.model.dataclass`` against the standard library: the same classes, made by both, behave alike."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any, ClassVar, get_type_hints

import pytest

from yieldbot.model import amounts, dataclass, market, plan, policy, settings, tx

ours: Any = dataclass.dataclass
"""Untyped, since mypy takes it for the standard library's."""


def classes(made: Callable[..., Any]) -> list[Any]:
    """One class of each kind, by this decorator."""

    class Plain:
        "A."

        a: int
        b: str = "b"
        kind: ClassVar[int] = 7

    class Factory:
        "A."

        a: list[int] = dataclasses.field(default_factory=list)
        b: dict[str, int] = dataclasses.field(default_factory=dict, init=False)
        c: int = dataclasses.field(default=5, init=False)
        d: int = dataclasses.field(default=1, compare=False, repr=False, kw_only=True)

    class One:
        "A."

        a: float = 1.0

    class Empty:
        "A."

    class Checked:
        "A."

        a: int
        b: int = dataclasses.field(default=0, hash=False)

        def __post_init__(self) -> None:
            if self.a < 0:
                raise ValueError("negative")

    class Own:
        "A."

        a: int

        def __eq__(self, other: object) -> bool:
            return True

        def __repr__(self) -> str:
            return "own"

    class Hashed:
        "A."

        a: int

        def __hash__(self) -> int:
            return 3

        def __init__(self, a: int) -> None:
            object.__setattr__(self, "a", a + 1)

    kinds: list[type] = [Plain, Factory, One, Empty, Checked, Own, Hashed]
    flags = [
        {"frozen": frozen, "slots": slots, "kw_only": kw_only, "eq": eq}
        for frozen in (False, True)
        for slots in (False, True)
        for kw_only in (False, True)
        for eq in (True, False)
    ]
    found = [made(**given)(type(kind.__name__, (), dict(vars(kind)))) for kind in kinds for given in flags]

    @made(frozen=True, slots=True)
    class Base:
        "A."

        a: int

    @made(frozen=True, slots=True)
    class Derived(Base):
        "A."

        b: int = 2

    @made(frozen=True, order=True)
    class Ordered:
        "A."

        a: int
        b: dataclasses.InitVar[int] = 0

    return [*found, Base, Derived, Ordered]


def outcome(work: Callable[[], Any]) -> Any:
    """What a call gives, or its error's type and text."""
    try:
        return work()
    except Exception as failure:
        return type(failure).__name__, str(failure).replace("_self", "self")


def behaviour(cls: Any) -> list[Any]:
    """What there is to see of a class and of its objects, beside their addresses in memory."""
    made = [
        outcome(lambda given=given, named=named: cls(*given, **named))
        for given in ((), (1,), (1, 2), (-1,), ("a",), (1, 2, 3, 4, 5))
        for named in ({}, {"a": 1}, {"b": 2}, {"a": 1, "d": 9}, {"zzz": 1})
    ]
    seen: list[Any] = [
        str(inspect.signature(cls)),
        getattr(cls, "__match_args__", None),
        cls.__dict__.get("__slots__"),
        cls.__hash__ is None,
        [(one.name, one.init, one.repr, one.compare, one.kw_only) for one in dataclasses.fields(cls)],
        cls.__dataclass_params__.frozen,
        sorted(map(str, cls.__init__.__annotations__.items())),
        sorted(set(cls.__dict__) - {"__annotations__"}),
    ]
    for one in made:
        if not isinstance(one, cls):
            seen.append(one)
            continue
        seen += [
            repr(one).partition(" object at")[0],
            outcome(lambda one=one: hash(one) if cls.__hash__ is not object.__hash__ else "by identity"),
            [outcome(lambda one=one, other=other: one == other) for other in made],
            outcome(lambda one=one: setattr(one, "a", 8)) if cls.__name__ != "Empty" else "",
            type(outcome(lambda one=one: setattr(one, "other", 8))),  # the library's error of slots is a TypeError
            outcome(lambda one=one: delattr(one, "a")) if cls.__name__ != "Empty" else "",
            outcome(lambda one=one: dataclasses.asdict(copy.copy(one))),
            outcome(lambda one=one: dataclasses.asdict(dataclasses.replace(one, a=2))),
        ]
    return seen


def test_classes_behave_as_the_standard_library_makes_them() -> None:
    for here, there in zip(classes(ours), classes(dataclasses.dataclass), strict=True):
        assert [str(one) for one in behaviour(here)] == [str(one) for one in behaviour(there)], here


def test_each_class_of_the_model_takes_the_arguments_of_its_fields() -> None:
    for module in (amounts, market, plan, policy, settings, tx):
        for cls in vars(module).values():
            if isinstance(cls, type) and dataclasses.is_dataclass(cls) and cls.__module__ == module.__name__:
                given = [one for one in dataclasses.fields(cls) if one.init]
                assert list(inspect.signature(cls).parameters) == sorted(
                    (one.name for one in given), key=lambda name: next(o.kw_only for o in given if o.name == name)
                )
                assert not isinstance(cls.__dict__["__init__"], dataclass._Init)  # compiled once, then as any function


def test_an_object_outlives_pickling_and_its_class_names_its_types() -> None:
    token = amounts.Token("sandbox", "USDC", "0x" + "1" * 40, 6)
    assert pickle.loads(pickle.dumps(token)) == token
    assert get_type_hints(amounts.Token.__init__)["decimals"] is int


def test_an_argument_without_a_default_after_one_with_a_default_is_refused() -> None:
    with pytest.raises(TypeError, match="'b' follows default argument"):
        ours(type("Wrong", (), {"__doc__": "A.", "__annotations__": {"a": "int", "b": "int"}, "a": 1}))
    with pytest.raises(TypeError, match="Cannot overwrite attribute __setattr__ in class Wrong"):
        ours(frozen=True)(type("Wrong", (), {"__doc__": "A.", "__setattr__": lambda *_: None}))
