"""Values made of a schema, always the same: some that fit, and some that are wrong in one place."""
import copy

import openapi

WRONG = (7, -3.5, "text", True, None, [], {}, [7], {"field": 7})


def types_of(schema):
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def one(schema):
    """A value that fits; the first example, where there is one."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "examples" in schema:
        return copy.deepcopy(schema["examples"][0])
    if "type" not in schema:
        return one(schema["anyOf"][0])
    kind = types_of(schema)[0]
    if kind == "object":
        return {name: one(schema["properties"][name]) for name in schema.get("required", [])}
    if kind == "array":
        return [one(schema["items"]) for _ in range(schema.get("minItems", 0))]
    if kind == "string":
        return "x" * max(1, schema.get("minLength", 1))
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return {"boolean": True, "null": None}[kind]


def full(schema):
    """A value that fits and has all that may be there."""
    if "properties" in schema and "examples" not in schema:
        return {name: full(value) for name, value in schema["properties"].items()}
    if "array" in types_of(schema) and "examples" not in schema:
        return [full(schema["items"])]
    return one(schema)


def variants(schema):
    """Values that fit, each with something of its own: every value of an enum, both ends of a range, …"""
    found = [one(schema)]
    found += schema.get("enum", [])
    found += copy.deepcopy(schema.get("examples", []))
    found += [schema[name] for name in ("minimum", "maximum", "default") if name in schema]
    for branch in schema.get("anyOf", []) + schema.get("oneOf", []):
        found += variants(branch) if "type" in branch or "const" in branch else []
    types = types_of(schema)
    if "null" in types:
        found.append(None)
    if "boolean" in types:
        found += [True, False]
    if "string" in types and "examples" not in schema and "maxLength" in schema:
        found += ["x" * schema["maxLength"], "é" + "漢" * (schema["maxLength"] // 4)]
    if "object" in types:
        found += _objects(schema)
    if "array" in types:
        found += [[value] for value in variants(schema["items"])]
    return [value for i, value in enumerate(found) if openapi.fits(schema, value) and value not in found[:i]]


def _objects(schema):
    least = one(schema) or {}
    properties = schema.get("properties", {})
    for name, value in properties.items():
        for variant in variants(value):
            yield {**least, name: variant}
    yield {**{name: one(value) for name, value in properties.items()}, **least}
    if isinstance(schema.get("additionalProperties"), dict):
        for i, variant in enumerate(variants(schema["additionalProperties"])):
            yield {**least, f"name {i}": variant}


def broken(schema, value, path=""):
    """(path, value): the same value, wrong in that one place."""
    for wrong in WRONG:
        if not openapi.fits({**schema, "required": []}, wrong) and not _is_sort_of(schema, wrong):
            yield path, wrong
    yield from _out_of_bounds(schema, path)
    if isinstance(value, dict):
        yield from _broken_fields(schema, value, path)
    if isinstance(value, list):
        for i, element in enumerate(value):
            for place, wrong in broken(schema["items"], element, f"{path}[{i}]"):
                yield place, value[:i] + [wrong] + value[i + 1:]


def _is_sort_of(schema, wrong):
    """An object where one is wanted: what is wrong is in its fields, not in itself. A text where an id
    is wanted: it is not wrong, but not found."""
    kinds = {dict: "object", list: "array", str: "string" if schema.get("format") == "uuid" else ""}
    return kinds.get(type(wrong)) in types_of(schema)


def _out_of_bounds(schema, path):
    if "enum" in schema:
        yield path, "none of these"
    if "minimum" in schema:
        yield path, schema["minimum"] - 1
    if "maximum" in schema:
        yield path, schema["maximum"] + 1
    if "integer" in types_of(schema):
        yield path, schema.get("minimum", 0) + 0.5
    if "string" in types_of(schema):
        if "maxLength" in schema:
            yield path, "x" * (schema["maxLength"] + 1)
        if schema.get("minLength", 0) > 0:
            yield path, ""
        if schema.get("pattern") == r"\S":
            yield path, " \t"
    if "array" in types_of(schema):
        if schema.get("minItems", 0) > 0:
            yield path, []
    for branch in schema.get("anyOf", []):
        if "type" in branch:
            yield from _out_of_bounds(branch, path)


def _broken_fields(schema, value, path):
    begin = path + "." if path else ""
    for name in schema.get("required", []):
        yield begin + name, {field: value[field] for field in value if field != name}
    if schema.get("additionalProperties") is False:
        yield begin + "unheard_of", {**value, "unheard_of": 1}
    for name in value:
        inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        if isinstance(inner, dict):
            for place, wrong in broken(inner, value[name], begin + name):
                yield place, {**value, name: wrong}


def query_values(schema):
    """Texts of a parameter that fit, and texts that do not."""
    good = [as_text(value) for value in variants(schema) if value is not None]
    bad = {"integer": ["x", "1.5", ""], "number": ["x", "1e999", ""], "boolean": ["maybe", ""],
           "array": ["none of these"], "string": [""]}
    wrong = list(bad[(types_of(schema) or ["string"])[0]]) if "enum" not in schema else ["none of these", ""]
    wrong += [as_text(schema[name] + step) for name, step in (("minimum", -1), ("maximum", 1)) if name in schema]
    if "pattern" in schema and "format" not in schema:
        wrong.append("none of these")
    return good, wrong


def as_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(as_text(element) for element in value)
    return str(value)
