"""Conversations as OpenTelemetry spans, by the semantic conventions for generative AI.

A file has objects of OTLP in JSON, as the collector's file exporter writes them. A span of a call
of a model is a turn; a conversation is all spans of one `gen_ai.conversation.id`, or else of one
trace.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from londi.errors import DamagedFile
from londi.models.usage import count, member
from londi.serve.transcripts.conversation import Conversation, History, Json, Turn, calls_of
from londi.serve.transcripts.records import objects, readable
from londi.types import Usage

NAME = "otel"
_CALLS = ("chat", "generate_content", "text_completion")
_BILLION = 1_000_000_000
_LONDI = "londi."
_REST, _METADATA = "londi.conversation.rest", "londi.conversation.metadata"
_EVALUATION = "gen_ai.evaluation.result"
_SCORE = "gen_ai.evaluation.score.value"


def read(records: Iterable[tuple[str, Json]]) -> Iterator[Conversation]:
    """The conversations of a file, in the order in which they began.

    Args:
        records: its objects, each with the place where it stands.

    Raises:
        DamagedFile: if one is no OTLP, or an attribute has another type.
    """
    found: dict[str, list[tuple[int, str, Json, Json]]] = {}
    for place, record in records:
        if "resourceSpans" not in record:
            raise DamagedFile(f"{place}: expected the key 'resourceSpans'")
        for span in _spans(place, record):
            told = _attributes(place, span.get("attributes"))
            calls = told.get("gen_ai.operation.name", "chat") in _CALLS
            if calls and "gen_ai.request.model" in told:
                session = str(told.get("gen_ai.conversation.id") or span.get("traceId"))
                rows = found.setdefault(session, [])
                # A span without a time stands behind the one before it.
                began = _whole(span.get("startTimeUnixNano")) or (rows[-1][0] if rows else 0)
                rows.append((began, place, span, told))
    for session, spans in found.items():
        spans.sort(key=lambda row: row[0])
        yield _conversation(session, spans)


def write(conversations: Iterable[Conversation]) -> Iterator[Json]:
    """One object of OTLP a conversation."""
    for one in conversations:
        scope = {"scope": {"name": "londi"}, "spans": list(_written(one))}
        yield {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [scope]}]}


def _spans(place: str, record: Json) -> Iterator[Json]:
    for resource in objects(place, "resourceSpans", record["resourceSpans"]):
        for scope in objects(place, "scopeSpans", resource.get("scopeSpans") or []):
            yield from objects(place, "spans", scope.get("spans") or [])


def _conversation(session: str, spans: list[tuple[int, str, Json, Json]]) -> Conversation:
    turns: list[Turn] = []
    values: dict[int | None, float] = {}
    kept: dict[str, Any] = {_REST: [], _METADATA: {}}
    history = History()
    for _, place, span, told in spans:
        asked = _messages(place, told, "gen_ai.input.messages")
        system = told.get("gen_ai.system_instructions")
        if system:
            parts = _json(place, "gen_ai.system_instructions", system)
            asked = [_message("system", parts), *asked]
        answers = _messages(place, told, "gen_ai.output.messages")
        answer = answers[0] if answers else None
        for name in kept:
            kept[name] = _json(place, name, told.pop(name, kept[name]))
        turns.append(
            Turn(
                asked,
                answer,
                str(told.get("gen_ai.response.model") or told["gen_ai.request.model"]),
                _whole(span.get("startTimeUnixNano")) / _BILLION or None,
                _seconds(span),
                _usage(told),
                {
                    name.removeprefix(_LONDI): value
                    for name, value in told.items()
                    if name.startswith(_LONDI)
                },
            )
        )
        history.go_on(turns[-1])
        for event in objects(place, "events", span.get("events") or []):
            scored = _attributes(place, event.get("attributes"))
            if event.get("name") == _EVALUATION and _SCORE in scored:
                step = None if scored.get("gen_ai.evaluation.name") == "reward" else len(turns) - 1
                values[step] = readable(place, _SCORE, scored[_SCORE])
    rest, metadata = objects(spans[-1][1], _REST, kept[_REST]), kept[_METADATA]
    if not isinstance(metadata, dict):
        raise DamagedFile(f"{spans[-1][1]}: {_METADATA}: expected a JSON object")
    return Conversation(session, turns, rest, values, metadata)


def _seconds(span: Json) -> float | None:
    """The length of a span; None where it has no end."""
    began, ended = (_whole(span.get(name)) for name in ("startTimeUnixNano", "endTimeUnixNano"))
    return (ended - began) / _BILLION if began and ended > began else None


def _usage(told: Json) -> Usage | None:
    if "gen_ai.usage.input_tokens" not in told:
        return None
    return Usage(
        calls=1,
        tokens=count(told, "gen_ai.usage.input_tokens"),
        output_tokens=count(told, "gen_ai.usage.output_tokens"),
        cached_tokens=count(told, "gen_ai.usage.cache_read.input_tokens"),
        cache_write_tokens=count(told, "gen_ai.usage.cache_creation.input_tokens"),
    )


def _messages(place: str, told: Json, name: str) -> list[Json]:
    """The messages of an attribute, in the shape of chat completions."""
    found: list[Json] = []
    for message in objects(place, name, _json(place, name, told.get(name) or [])):
        parts = objects(place, f"{name}.parts", message.get("parts") or [])
        results = [part for part in parts if part.get("type") == "tool_call_response"]
        for part in results:
            told_result = {"role": "tool", "content": part.get("response", part.get("result"))}
            if part.get("id") is not None:
                told_result["tool_call_id"] = part["id"]
            found.append(told_result | _own(message))
        if len(results) < len(parts) or not parts:
            others = [part for part in parts if part not in results]
            found.append(_message(str(message.get("role")), others) | _own(message))
    return found


def _own(message: Json) -> Json:
    """What else a message has."""
    return _left(message, ("role", "parts", "finish_reason"))


def _left(message: Json, but: Sequence[str]) -> Json:
    return {name: value for name, value in message.items() if name not in but}


def _message(role: str, parts: list[Json]) -> Json:
    texts = [part["content"] for part in parts if part.get("type") == "text" and "content" in part]
    calls = [part for part in parts if part.get("type") == "tool_call"]
    thought = [part.get("content") for part in parts if part.get("type") == "reasoning"]
    others = len(texts) + len(calls) + len(thought) < len(parts)
    content: object = texts[0] if len(texts) == 1 else "\n".join(map(str, texts)) or None
    if others:
        content = [part for part in parts if part.get("type") not in ("tool_call", "reasoning")]
    told: Json = {"role": role, "content": content}
    if calls:
        told["tool_calls"] = [_call(part) for part in calls]
    return told | ({"reasoning_content": "\n".join(map(str, thought))} if thought else {})


def _call(part: Json) -> Json:
    arguments = part.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    function = {"name": part.get("name"), "arguments": text}
    return {"id": part.get("id"), "type": "function", "function": function}


def _attributes(place: str, given: object) -> Json:
    pairs = objects(place, "attributes", given or [])
    return {str(pair.get("key")): _value(pair.get("value")) for pair in pairs}


def _value(given: Any) -> Any:
    """A value of OTLP, whose one key is its type."""
    if not isinstance(given, Mapping) or not given:
        return None
    kind, value = next(iter(given.items()))
    if kind == "intValue":
        return _whole(value)
    if kind == "arrayValue":
        return [_value(one) for one in _values(given, kind)]
    if kind == "kvlistValue":
        pairs = [pair for pair in _values(given, kind) if isinstance(pair, dict)]
        return {str(pair.get("key")): _value(pair.get("value")) for pair in pairs}
    return value


def _values(given: Mapping[str, Any], kind: str) -> list[Any]:
    found = member(given, kind).get("values")
    return found if isinstance(found, list) else []


def _whole(value: object) -> int:
    """A whole number, which OTLP writes as a text; 0 where there is none."""
    return int(str(value)) if re.fullmatch("-?[0-9]{1,19}", str(value)) else 0


def _json(place: str, name: str, value: object) -> Any:
    """Messages stand as JSON in a text, or as values of OTLP."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"{place}: {name}: expected JSON: {error}") from error


def _written(one: Conversation) -> Iterator[Json]:
    trace = hashlib.sha256(one.session.encode(errors="surrogatepass")).hexdigest()
    history: list[Json] = []
    for k, turn in enumerate(one.turns):
        history += turn.asked
        told: Json = {
            "gen_ai.operation.name": "chat",
            "gen_ai.conversation.id": one.session,
            "gen_ai.request.model": turn.model or "unknown",
            "gen_ai.input.messages": json.dumps(list(map(_parts, history)), ensure_ascii=False),
        }
        if turn.answer is not None:
            answer = json.dumps([_parts(turn.answer)], ensure_ascii=False)
            told["gen_ai.output.messages"] = answer
            history.append(turn.answer)
        if turn.usage is not None:
            told |= {
                "gen_ai.usage.input_tokens": turn.usage.tokens,
                "gen_ai.usage.output_tokens": turn.usage.output_tokens,
                "gen_ai.usage.cache_read.input_tokens": turn.usage.cached_tokens,
                "gen_ai.usage.cache_creation.input_tokens": turn.usage.cache_write_tokens,
            }
        told |= {_LONDI + name: value for name, value in turn.decided.items()}
        began = round((turn.time or 0) * _BILLION)
        last = k == len(one.turns) - 1
        if last and one.rest:
            told[_REST] = json.dumps(one.rest, ensure_ascii=False)
        if last and one.metadata:
            told[_METADATA] = json.dumps(one.metadata, ensure_ascii=False)
        yield {
            "traceId": trace[:32],
            "spanId": hashlib.sha256(f"{trace}{k}".encode()).hexdigest()[:16],
            "name": f"chat {turn.model or 'unknown'}",
            "kind": 3,
            "startTimeUnixNano": str(began),
            "endTimeUnixNano": str(began + round((turn.seconds or 0) * _BILLION)),
            "attributes": [_pair(name, value) for name, value in told.items()],
            "events": [
                _scored(name, one.values[step], began)
                for step, name in ((k, "step"), (None, "reward"))
                if step in one.values and (step is not None or last)
            ],
        }


def _scored(name: str, value: float, time: int) -> Json:
    pairs = [_pair("gen_ai.evaluation.name", name), _pair(_SCORE, value)]
    return {"timeUnixNano": str(time), "name": _EVALUATION, "attributes": pairs}


def _pair(name: str, value: object) -> Json:
    """An attribute of OTLP; what has no type of its own is JSON in a text."""
    if isinstance(value, bool):
        return {"key": name, "value": {"boolValue": value}}
    if isinstance(value, int):
        return {"key": name, "value": {"intValue": str(value)}}
    if isinstance(value, float):
        return {"key": name, "value": {"doubleValue": value}}
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return {"key": name, "value": {"stringValue": text}}


def _parts(message: Json) -> Json:
    """A message of chat completions as the conventions have it."""
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        part = {"type": "tool_call_response", "response": content}
        if "tool_call_id" in message:
            part["id"] = message["tool_call_id"]
        own = ("role", "parts", "content", "tool_call_id")
        return {"role": "tool", "parts": [part], **_left(message, own)}
    parts: list[Json] = []
    if message.get("reasoning_content"):
        parts.append({"type": "reasoning", "content": message["reasoning_content"]})
    if isinstance(content, list):
        parts += [part for part in content if isinstance(part, dict)]
    elif content is not None:
        parts.append({"type": "text", "content": content})
    calls = calls_of(message)
    for call in calls:
        function = member(call, "function")
        parts.append(
            {
                "type": "tool_call",
                "id": call.get("id"),
                "name": function.get("name"),
                "arguments": function.get("arguments"),
            }
        )
    own = ("role", "parts", "content", "reasoning_content", *(("tool_calls",) if calls else ()))
    return {"role": role, "parts": parts, **_left(message, own)}
