"""Spans around functions: plain ones, coroutines, generators, asynchronous generators."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, TypeVar, cast

from cloudberth.tracing.span import Span, _current

Function = TypeVar("Function", bound=Callable[..., Any])
_MOST_PIECES = 10_000  # of a stream; what comes behind is passed on, not recorded


def decorated(template: Span, function: Function) -> Function:
    """`function` with a span like `template` around every call: arguments in, result out.

    A generator's span lasts until it is used up or closed; its first piece sets the time to the first token.
    """
    signature = _signature(function)
    wrapper: Callable[..., Any]
    if inspect.iscoroutinefunction(function):
        wrapper = _coroutine(template, function, signature)
    elif inspect.isasyncgenfunction(function):
        wrapper = _async_generator(template, function, signature)
    elif inspect.isgeneratorfunction(function):
        wrapper = _generator(template, function, signature)
    else:
        wrapper = _plain(template, function, signature)
    return cast(Function, functools.wraps(function)(wrapper))


def _plain(template: Span, function: Callable[..., Any], signature: inspect.Signature | None) -> Any:
    def wrapper(*given: Any, **named: Any) -> Any:
        with _opened(template, signature, given, named) as span:
            result = function(*given, **named)
            _close_with(span, result)
            return result

    return wrapper


def _coroutine(template: Span, function: Callable[..., Any], signature: inspect.Signature | None) -> Any:
    async def wrapper(*given: Any, **named: Any) -> Any:
        with _opened(template, signature, given, named) as span:
            result = await function(*given, **named)
            _close_with(span, result)
            return result

    return wrapper


def _generator(template: Span, function: Callable[..., Any], signature: inspect.Signature | None) -> Any:
    def wrapper(*given: Any, **named: Any) -> Generator[Any, None, Any]:
        span = _opened(template, signature, given, named).start()
        pieces: list[Any] = []
        inside = function(*given, **named)
        try:
            while True:
                # Current only while the generator runs, not while its reader does.
                token = _current.set(span)
                try:
                    piece = next(inside)
                except StopIteration as stop:
                    return stop.value
                finally:
                    _current.reset(token)
                _add(span, pieces, piece)
                yield piece
        except GeneratorExit:
            raise
        except BaseException as error:
            span.error(error)
            raise
        finally:
            inside.close()
            _finish(span, pieces)

    return wrapper


def _async_generator(
    template: Span, function: Callable[..., Any], signature: inspect.Signature | None
) -> Any:
    async def wrapper(*given: Any, **named: Any) -> AsyncIterator[Any]:
        span = _opened(template, signature, given, named).start()
        pieces: list[Any] = []
        inside = function(*given, **named)
        try:
            while True:
                token = _current.set(span)
                try:
                    piece = await anext(inside)
                except StopAsyncIteration:
                    return
                finally:
                    _current.reset(token)
                _add(span, pieces, piece)
                yield piece
        except GeneratorExit:
            raise
        except BaseException as error:
            span.error(error)
            raise
        finally:
            await inside.aclose()
            _finish(span, pieces)

    return wrapper


def _opened(
    template: Span, signature: inspect.Signature | None, given: tuple[Any, ...], named: dict[str, Any]
) -> Span:
    span = template.like()
    if not span.input_value:
        span.input(_arguments(signature, given, named))
    return span


def _arguments(signature: inspect.Signature | None, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Arguments by name, without ``self`` and ``cls``; one alone stands for itself."""
    if signature is None:
        values: dict[str, Any] = {**{str(number): each for number, each in enumerate(given)}, **named}
    else:
        try:
            values = dict(signature.bind(*given, **named).arguments)
        except TypeError:
            return None  # the call itself will say so
        values.pop("self", None)
        values.pop("cls", None)
    return next(iter(values.values())) if len(values) == 1 else values or None


def _close_with(span: Span, result: Any) -> None:
    if span.output_value is None and result is not None:
        span.output(result)


def _add(span: Span, pieces: list[Any], piece: Any) -> None:
    span.first_token()
    if len(pieces) < _MOST_PIECES:
        pieces.append(piece)


def _finish(span: Span, pieces: list[Any]) -> None:
    if span.output_value is None and pieces:
        span.output("".join(pieces) if all(isinstance(each, str) for each in pieces) else pieces)
    span.end()


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None
