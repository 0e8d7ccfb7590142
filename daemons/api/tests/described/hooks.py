"""What schemathesis does before each of its calls, and a check of ours beside its own: answers say nothing that the
description does not tell of. (A schema that names fields lets others pass, so that clients of today read tomorrow's
answers; but today's are told whole.)"""

import itertools
import json
import os

import schemathesis

ADDRESSES = itertools.count(0x0A000001)
with open(os.environ["DESCRIPTION"], encoding="utf-8") as file:
    DOCUMENT = json.load(file)


@schemathesis.hook
def before_call(context, case, kwargs):
    """From another address each time: whoever has no right token too often is answered 429, and is to be answered 401."""
    number = next(ADDRESSES)
    case.headers = case.headers or {}
    case.headers["X-Forwarded-For"] = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


@schemathesis.check
def nothing_untold(ctx, response, case):
    """Every field of an answer is one that its schema names."""
    operation = DOCUMENT["paths"].get(case.operation.path, {}).get(case.method.lower(), {})
    answer = at(operation.get("responses", {}).get(str(response.status_code)))
    if not answer or not response.content:
        return
    media_type = response.headers.get("content-type", [""])
    media_type = media_type[0] if isinstance(media_type, list) else media_type
    content = answer.get("content", {}).get(media_type.split(";")[0])
    if content:
        untold = sorted(set(unnamed(content["schema"], json.loads(response.content), "")))
        if untold:
            raise AssertionError(f"{response.status_code} says what is not described: {', '.join(untold[:20])}")


def at(schema):
    """What a reference stands for."""
    while schema and "$ref" in schema:
        place = DOCUMENT
        for step in schema["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        schema = place
    return schema


def unnamed(schema, value, path):
    """The paths of fields that a schema does not name."""
    schema = at(schema)
    forms = schema.get("anyOf") or schema.get("oneOf")
    if forms and "properties" not in schema:
        found = [list(unnamed(form, value, path)) for form in forms if fits(at(form), value)]
        return min(found, key=len) if found else []
    if isinstance(value, list) and schema.get("items"):
        return [name for item in value for name in unnamed(schema["items"], item, f"{path}[]")]
    if isinstance(value, dict):
        found = []
        for name, inner in value.items():
            one = schema.get("properties", {}).get(name)
            if one is None and "properties" in schema and not schema.get("additionalProperties"):
                found.append(f"{path}.{name}")
            else:
                one = one if one is not None else schema.get("additionalProperties") or {}
                found += unnamed(one, inner, f"{path}.{name}")
        return found
    return []


def fits(schema, value):
    """Whether a value is of the type that a form is of."""
    names = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds or list(names)
    fitting = any(kind in names and isinstance(value, names[kind]) for kind in kinds)
    words = [(name, one["const"]) for name, one in schema.get("properties", {}).items() if "const" in one]
    return fitting and all(not isinstance(value, dict) or value.get(name) == word for name, word in words)
