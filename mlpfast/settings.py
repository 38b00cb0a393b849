"""Attributes that are checked whenever they are assigned, and attributes that are computed when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

__all__ = ["Computed", "Setting"]

_T = TypeVar("_T")


class Setting(Generic[_T]):
    """An attribute whose assigned values go through ``check(name, value, **arguments)``.

    That returns the value to keep, or raises. An `optional` setting may be None, too.
    """

    def __init__(self, check: Callable[..., Any], *, optional: bool = False, **arguments: Any) -> None:
        self._check, self._optional, self._arguments = check, optional, arguments

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[_T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> _T: ...

    def __get__(self, instance: object | None, owner: type) -> Setting[_T] | _T:
        if instance is None:
            return self
        try:
            return instance.__dict__[self._name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"{type(instance).__name__!r} object has no attribute {self._name!r}") from None

    def __set__(self, instance: object, value: Any) -> None:
        if value is not None or not self._optional:
            value = self._check(self._name, value, **self._arguments)
        instance.__dict__[self._name] = value


class Computed(Generic[_T]):
    """A property that is computed once, and then an attribute.

    As `functools.cached_property`, which up to Python 3.11 holds a lock of the class meanwhile: a child forked while
    another thread has it would wait for ever. Two threads may both compute it here.
    """

    def __init__(self, function: Callable[[Any], _T]) -> None:
        self._function, self.__doc__ = function, function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Computed[_T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> _T: ...

    def __get__(self, instance: object | None, owner: type) -> Computed[_T] | _T:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._function(instance)
        return value
