"""``dataclass``: what ``dataclasses.dataclass`` makes, in a quarter of the time. Half a thousand classes are made as a
command starts, and compiling the text of six methods for each took a quarter of that start.

Here ``__init__`` is compiled as it is first asked for, and the other methods are closures over the fields' names. All
else (fields, slots, order of arguments) is done by the standard library, which also makes each class that has a base
with fields, an ``InitVar``, no docstring, or arguments other than those named here.
"""

from __future__ import annotations

import dataclasses
import reprlib
import sys
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False, eq=True, **others):
        """As ``dataclasses.dataclass``."""

        def made(named):
            if others or not _is_plain(named):
                return dataclasses.dataclass(frozen=frozen, slots=slots, kw_only=kw_only, eq=eq, **others)(named)
            return _made(named, frozen, slots, kw_only, eq)

        return made if cls is None else made(cls)


def _is_plain(cls: type) -> bool:
    """Whether the methods here are all that the class needs."""
    return (
        bool(cls.__doc__)
        and not any("__dataclass_fields__" in base.__dict__ for base in cls.__mro__[1:])
        and not any("InitVar" in str(annotation) for annotation in cls.__annotations__.values())
    )


def _made(cls: type, frozen: bool, slots: bool, kw_only: bool, eq: bool) -> type:
    own = frozenset(cls.__dict__)
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
    params = made.__dataclass_params__
    params.init, params.repr, params.eq, params.frozen = True, True, eq, frozen
    fields = dataclasses.fields(made)
    methods = {"__repr__": _repr(tuple(field.name for field in fields if field.repr))}
    if eq:
        methods["__eq__"] = _eq(_values([field.name for field in fields if field.compare]))
    if frozen:
        methods |= _frozen(made, frozenset(field.name for field in fields))
        if slots:
            methods |= {"__getstate__": _getstate, "__setstate__": _setstate}
    for name, method in methods.items():
        if name not in own:
            method.__qualname__ = f"{made.__qualname__}.{name}"
            method.__module__ = made.__module__
            setattr(made, name, method)
        elif name in ("__setattr__", "__delattr__"):
            raise TypeError(f"Cannot overwrite attribute {name} in class {cls.__name__}")
    if eq and ("__hash__" not in own or (made.__hash__ is None and "__eq__" in own)):
        hashed = [field.name for field in fields if (field.compare if field.hash is None else field.hash)]
        made.__hash__ = _hash(_values(hashed)) if frozen else None
    if "__init__" not in own:
        made.__init__ = _Init(made, fields)
    return made  # type: ignore[no-any-return]


_MADE = type("_Made", (), {"__repr__": lambda self: "<factory>"})()
"""What an argument is whose value a factory makes."""


class _Init:
    """``__init__`` of a class, which is compiled and set in place of this as it is first asked for."""

    def __init__(self, cls: type, fields: tuple[dataclasses.Field[Any], ...]) -> None:
        _in_order(cls, fields)
        self._cls, self._fields = cls, fields

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        init = _compiled(self._cls, self._fields)
        type.__setattr__(self._cls, "__init__", init)
        return init.__get__(instance, owner)


def _in_order(cls: type, fields: tuple[dataclasses.Field[Any], ...]) -> None:
    optional = ""
    for field in fields:
        if field.init and not field.kw_only:
            if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING:
                optional = field.name
            elif optional:
                raise TypeError(f"{cls.__qualname__}: non-default argument {field.name!r} follows default argument")


def _compiled(cls: type, fields: tuple[dataclasses.Field[Any], ...]) -> Any:
    """The constructor, written as the standard library writes it."""
    given: dict[str, Any] = {"_set": object.__setattr__, "_made": _MADE}
    positional, named, lines = list[str](), list[str](), list[str]()
    frozen = cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    for field in fields:
        name, default = field.name, ""
        value = name
        if field.default is not dataclasses.MISSING:
            given[f"_default_{name}"], default = field.default, f"=_default_{name}"
            value = name if field.init else f"_default_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            given[f"_make_{name}"], default = field.default_factory, "=_made"
            value = f"_make_{name}() if {name} is _made else {name}" if field.init else f"_make_{name}()"
        elif not field.init:
            continue
        if field.init:
            (named if field.kw_only else positional).append(name + default)
        elif field.default is not dataclasses.MISSING and "__slots__" not in cls.__dict__:
            continue  # the class's own attribute
        lines.append(f"  _set(_self, {name!r}, {value})" if frozen else f"  _self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("  _self.__post_init__()")
    arguments = ", ".join(["_self", *positional, *(["*", *named] if named else [])])
    body = "\n".join(lines or ["  pass"])
    text = f"def make({', '.join(given)}):\n def __init__({arguments}):\n{body}\n return __init__"
    place: dict[str, Any] = {}
    exec(text, sys.modules[cls.__module__].__dict__, place)  # names of fields alone, as the standard library has it
    init = place["make"](**given)
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {field.name: field.type for field in fields if field.init} | {"return": None}
    return init


def _values(names: list[str]) -> Any:
    """A function to a tuple of an object's values of these names, in their order."""
    if len(names) > 1:
        return attrgetter(*names)
    return (lambda it, get=attrgetter(names[0]): (get(it),)) if names else (lambda it: ())


def _repr(names: tuple[str, ...]) -> Any:
    @reprlib.recursive_repr()
    def __repr__(self: Any) -> str:
        return f"{self.__class__.__qualname__}({', '.join([f'{name}={getattr(self, name)!r}' for name in names])})"

    return __repr__


def _eq(values: Any) -> Any:
    def __eq__(self: Any, other: Any) -> Any:
        if other.__class__ is self.__class__:
            return values(self) == values(other)
        return NotImplemented

    return __eq__


def _hash(values: Any) -> Any:
    def __hash__(self: Any) -> int:
        return hash(values(self))

    return __hash__


def _frozen(cls: Any, names: frozenset[str]) -> dict[str, Any]:
    def __setattr__(self: Any, name: str, value: Any) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return {"__setattr__": __setattr__, "__delattr__": __delattr__}


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
