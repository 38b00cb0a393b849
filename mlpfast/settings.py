"""Attributes that are checked whenever they are assigned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

__all__ = ["Setting"]

_T = TypeVar("_T")


class Setting(Generic[_T]):
    """An attribute whose assigned values go through `check`, which returns the value to keep or raises."""

    def __init__(self, check: Callable[[Any], _T]) -> None:
        self._check = check

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
        instance.__dict__[self._name] = self._check(value)
