"""Conversations in the Agent Trajectory Interchange Format, ATIF v1.0 to v1.7.

A trajectory is one object, or one a line. A step of its agent is a turn; results of tools stand in
the step that called them. What a decision was goes into `extra.londi` of a step.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from londi.errors import DamagedFile
from londi.models.usage import count, member
from londi.serve.transcripts.conversation import Conversation, Json, Turn, calls_of
from londi.serve.transcripts.records import objects, readable
from londi.types import Usage

NAME = "atif"
VERSION = "ATIF-v1.7"
VERSIONS = tuple(f"ATIF-v1.{minor}" for minor in range(8))
_READ = ("step_id", "timestamp", "source", "model_name", "message", "tool_calls", "observation")
_LONDI = "londi"
_ATIF = "atif"
"""Member of a message's `extra`: what a step tells that neither a message nor a turn has."""
_COUNTED = ("prompt_tokens", "completion_tokens", "cached_tokens")


def read(records: Iterable[tuple[str, Json]]) -> Iterator[Conversation]:
    """The conversations of a file; those of subagents are conversations of their own.

    Args:
        records: its objects, each with the place where it stands.

    Raises:
        DamagedFile: if one is no trajectory of a known version.
    """
    for k, (place, record) in enumerate(records, 1):
        named = record.get("trajectory_id") or record.get("session_id")
        session = named if isinstance(named, str) else f"trajectory-{k}"
        yield from _trajectory(place, record, session)


def write(conversations: Iterable[Conversation]) -> Iterator[Json]:
    """One trajectory a conversation."""
    for one in conversations:
        yield _written(one)


def _trajectory(place: str, record: Json, session: str) -> Iterator[Conversation]:
    version = record.get("schema_version")
    if version not in VERSIONS:
        raise DamagedFile(
            f"{place}: expected the schema_version {VERSIONS[0]} to {VERSIONS[-1]}, got {version!r}"
        )
    left = _left(record, "schema_version", "steps", "trajectory_id")
    if left.get("session_id") == session:
        del left["session_id"]
    agent = member(record, "agent")
    turns: list[Turn] = []
    asked: list[Json] = []
    values: dict[int | None, float] = {}
    for step in objects(place, "steps", record.get("steps")):
        answers = step.get("source") == "agent" and step.get("llm_call_count") != 0
        message = _message(step, answers)
        if answers:
            turns.append(_turn(place, step, asked, message, agent.get("model_name")))
            asked = []
            if "value" in turns[-1].decided:
                value = turns[-1].decided.pop("value")
                values[len(turns) - 1] = readable(place, "value", value)
        else:
            asked.append(message)
        asked += _results(place, step)
    for where in (member(record, "extra"), member(member(record, "final_metrics"), "extra")):
        if "reward" in where and None not in values:
            values[None] = readable(place, "reward", where["reward"])
    subagents = objects(
        place, "subagent_trajectories", left.pop("subagent_trajectories", None) or []
    )
    yield Conversation(session, turns, asked, values, left)
    for k, subagent in enumerate(subagents, 1):
        # A run's trajectories may share its session_id.
        named = subagent.get("trajectory_id")
        name = named if named and isinstance(named, str) else f"subagent-{k}"
        yield from _trajectory(place, subagent, f"{session}/{name}")


def _message(step: Json, answers: bool) -> Json:
    """A step as a message; what a message has no place for stands in `extra`.

    Args:
        step: the step.
        answers: whether it is a turn, which has a time of its own.
    """
    source = step.get("source")
    calls = [_call(call) for call in step.get("tool_calls") or () if isinstance(call, dict)]
    content = step.get("message")
    told: Json = {
        "role": "assistant" if source == "agent" else source,
        "content": None if calls and content == "" else content,
    }
    if calls:
        told["tool_calls"] = calls
    left = {name: value for name, value in step.items() if name not in (*_READ, "metrics")}
    extra = dict(member(left, "extra"))
    extra.pop(_LONDI, None)
    left.pop("extra", None)
    if isinstance(extra.get("message"), dict):
        told |= extra.pop("message")
    own = {} if answers or "timestamp" not in step else {"timestamp": step["timestamp"]}
    if metrics := _other_metrics(member(step, "metrics")):
        own["metrics"] = metrics
    if own:
        extra[_ATIF] = member(extra, _ATIF) | own
    if extra:
        left["extra"] = extra
    return told | left


def _other_metrics(metrics: Json) -> Json:
    """The metrics that a usage does not have."""
    if "prompt_tokens" not in metrics:
        return metrics
    left = {name: value for name, value in metrics.items() if name not in (*_COUNTED, "extra")}
    extra = _left(member(metrics, "extra"), "cache_write_tokens")
    return left | ({"extra": extra} if extra else {})


def _call(call: Json) -> Json:
    arguments = call.get("arguments")
    raw = member(call, "extra").get("arguments")
    text = raw if isinstance(raw, str) else json.dumps(arguments, ensure_ascii=False)
    function = {"name": call.get("function_name"), "arguments": text}
    told: Json = {"id": call.get("tool_call_id"), "type": "function", "function": function}
    extra = _left(member(call, "extra"), "arguments")
    return told | ({"extra": extra} if extra else {})


def _results(place: str, step: Json) -> Iterator[Json]:
    observation = member(step, "observation")
    for result in objects(place, "observation.results", observation.get("results") or []):
        left = _left(result, "source_call_id", "content", "extra")
        extra = dict(member(result, "extra"))
        told = {"role": "tool", "content": result.get("content")}
        if result.get("source_call_id") is not None:
            told["tool_call_id"] = result["source_call_id"]
        message = extra.pop("message") if isinstance(extra.get("message"), dict) else {}
        told |= message
        if left | extra:
            told["extra"] = member(told, "extra") | left | ({"extra": extra} if extra else {})
        # Where the result named no call, the call was found by its place.
        if message.get("tool_call_id", "") is None:
            del told["tool_call_id"]
        yield told


def _turn(place: str, step: Json, asked: list[Json], message: Json, model: object) -> Turn:
    model = step.get("model_name") or model
    metrics = member(step, "metrics")
    usage = None
    if "prompt_tokens" in metrics:
        usage = Usage(
            calls=1,
            tokens=count(metrics, "prompt_tokens"),
            output_tokens=count(metrics, "completion_tokens"),
            cached_tokens=count(metrics, "cached_tokens"),
            cache_write_tokens=count(member(metrics, "extra"), "cache_write_tokens"),
        )
    return Turn(
        asked,
        message,
        model if isinstance(model, str) else "",
        _seconds(place, step.get("timestamp")),
        usage=usage,
        decided=dict(member(member(step, "extra"), _LONDI)),
    )


def _seconds(place: str, text: object) -> float | None:
    """Seconds since 1970 of a time in ISO 8601."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise DamagedFile(f"{place}: timestamp: expected ISO 8601, got {text!r}") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _written(one: Conversation) -> Json:
    steps: list[Json] = []
    for k, turn in enumerate(one.turns):
        for message in turn.asked:
            _add(steps, message)
        decided = turn.decided | ({"value": one.values[k]} if k in one.values else {})
        steps.append(_agent_step(turn, decided))
    for message in one.rest:
        _add(steps, message)
    for k, step in enumerate(steps, 1):
        step["step_id"] = k
    known = {name: value for name, value in one.metadata.items() if name in _ROOT}
    extra = {name: value for name, value in one.metadata.items() if name not in known}
    agent = {"name": "unknown", "version": "unknown"} | member(known, "agent")
    if not isinstance(known.get("session_id"), str):
        known["session_id"] = one.session
    told: Json = known | {
        "schema_version": VERSION,
        "trajectory_id": one.session,
        "agent": agent,
        "steps": steps,
    }
    if extra:
        told["extra"] = member(known, "extra") | extra
    if None in one.values:
        final = dict(member(known, "final_metrics"))
        final["extra"] = member(final, "extra") | {"reward": one.values[None]}
        told["final_metrics"] = final
    return told


_ROOT = (
    "session_id",
    "agent",
    "notes",
    "final_metrics",
    "continued_trajectory_ref",
    "extra",
)


def _add(steps: list[Json], message: Json) -> None:
    """A message that no model wrote: a step, or a result in the step that called the tool."""
    if message.get("role") == "tool" and steps and steps[-1]["source"] == "agent":
        results = steps[-1].setdefault("observation", {"results": []})["results"]
        results.append(_result(steps[-1], len(results), message))
        return
    role = message.get("role")
    source = role if role in ("system", "user") else "system" if role == "developer" else "user"
    told: Json = {"source": source, "message": _content(message.get("content"))}
    left = _left(message, "role", "content", "extra")
    if role != source:
        left["role"] = role
    if message.get("content") != told["message"]:
        left["content"] = message.get("content")
    time = _own(message).get("timestamp")
    if isinstance(time, str):
        told["timestamp"] = time
    steps.append(told | _extra(message, left))


def _agent_step(turn: Turn, decided: Json) -> Json:
    answer = turn.answer or {}
    told: Json = {"source": "agent", "message": _content(answer.get("content"))}
    if turn.time is not None:
        with suppress(ValueError, OverflowError, OSError):  # no year has it
            told["timestamp"] = datetime.fromtimestamp(turn.time, UTC).isoformat()
    if turn.model:
        told["model_name"] = turn.model
    if calls := calls_of(answer):
        told["tool_calls"] = [_told_call(call, k) for k, call in enumerate(calls)]
    own = ("reasoning_content", "reasoning_effort", "is_copied_context", "llm_call_count")
    told |= {name: answer[name] for name in own if name in answer}
    if turn.usage is not None:
        written = turn.usage.cache_write_tokens
        told["metrics"] = {
            "prompt_tokens": turn.usage.tokens,
            "completion_tokens": turn.usage.output_tokens,
            "cached_tokens": turn.usage.cached_tokens,
        } | ({"extra": {"cache_write_tokens": written}} if written else {})
    if metrics := dict(member(_own(answer), "metrics")):
        given = member(told, "metrics")
        extra = member(metrics, "extra") | member(given, "extra")
        told["metrics"] = metrics | given | ({"extra": extra} if extra else {})
    left = _left(answer, "role", "content", "extra", *own, *(("tool_calls",) if calls else ()))
    content = answer.get("content")
    if answer and content != (None if calls and told["message"] == "" else told["message"]):
        left["content"] = content
    return told | _extra(answer, left, decided)


def _extra(message: Json, left: Json, decided: Json | None = None) -> Json:
    """The member `extra` of a step: that of the message, and what a step has no place for."""
    found = _left(member(message, "extra"), _ATIF)
    if left:
        found["message"] = left
    if decided:
        found[_LONDI] = decided
    return {"extra": found} if found else {}


def _own(message: Json) -> Json:
    return member(member(message, "extra"), _ATIF)


def _left(message: Json, *but: str) -> Json:
    return {name: value for name, value in message.items() if name not in but}


def _told_call(call: Json, k: int) -> Json:
    function = member(call, "function")
    text = function.get("arguments")
    arguments = _arguments(text)
    told: Json = {
        "tool_call_id": str(call.get("id") or f"call-{k}"),
        "function_name": str(function.get("name")),
        "arguments": arguments,
    }
    extra = dict(member(call, "extra"))
    if text != json.dumps(arguments, ensure_ascii=False):
        extra["arguments"] = text
    return told | ({"extra": extra} if extra else {})


def _arguments(text: object) -> Json:
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _result(step: Json, k: int, message: Json) -> Json:
    """A result of a tool; one that names no call belongs to the call at its place."""
    calls = [call["tool_call_id"] for call in step.get("tool_calls") or ()]
    named = message.get("tool_call_id")
    given = _left(member(message, "extra"), "extra", _REFERENCE)
    left = _left(message, "role", "content", "tool_call_id", "extra")
    told: Json = {"content": _content(message.get("content"))}
    if message.get("content") != told["content"]:
        left["content"] = message.get("content")
    if given:
        left["extra"] = given
    if _REFERENCE in member(message, "extra"):
        told[_REFERENCE] = message["extra"][_REFERENCE]
    if named in calls:
        told["source_call_id"] = named
    elif named is None and k < len(calls):
        told["source_call_id"], left["tool_call_id"] = calls[k], None
    elif named is not None:
        left["tool_call_id"] = named
    extra = member(member(message, "extra"), "extra") | ({"message": left} if left else {})
    return told | ({"extra": extra} if extra else {})


_REFERENCE = "subagent_trajectory_ref"


def _content(content: object) -> object:
    """A content as ATIF has it: a text, or parts each of which is a text or an image."""
    if content is None:
        return ""
    if not isinstance(content, list):
        return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return [_part(part) for part in content]


def _part(part: object) -> Json:
    """A part; one that ATIF does not know is the text of its JSON."""
    if isinstance(part, Mapping):
        if part.get("type") == "text" and isinstance(part.get("text"), str):
            return {"type": "text", "text": part["text"]}
        if part.get("type") == "image" and isinstance(part.get("source"), Mapping):
            return dict(part)
    return {"type": "text", "text": json.dumps(part, ensure_ascii=False)}
