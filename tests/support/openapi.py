"""A description of an API (OpenAPI 3.1): its operations, and whether a reply is one that it describes.

    api = Description(client.get("/api/openapi.json").json)
    api.check_reply(api["getRun"], client.get("/api/runs/refunds"))

Objects are closed: a field that is not described is an error, unless the description says otherwise.
"""
import copy
import dataclasses
import json
import re

import jsonschema

METHODS = ("get", "post", "put", "patch", "delete")
FORMATS = jsonschema.FormatChecker()


@dataclasses.dataclass
class Operation:
    id: str
    method: str         # "GET"
    path: str           # "/api/runs/{id}"
    parameters: list    # those of the path included, each whole
    json: dict          # as it is described

    @property
    def statuses(self):
        """Numbers, and "default"."""
        return [status if status == "default" else int(status) for status in self.json["responses"]]


class Description:
    def __init__(self, document):
        self.document = document
        self.operations = {operation.id: operation for operation in self._read()}

    def __getitem__(self, operation_id):
        return self.operations[operation_id]

    def __iter__(self):
        return iter(self.operations.values())

    def _read(self):
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    parameters = item.get("parameters", []) + item[method].get("parameters", [])
                    yield Operation(item[method]["operationId"], method.upper(), path,
                                    [self.resolve(parameter) for parameter in parameters], item[method])

    def resolve(self, node):
        """What a reference leads to; anything else is given back."""
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            for name in node["$ref"].removeprefix("#/").split("/"):
                target = target[name.replace("~1", "/").replace("~0", "~")]
            siblings = {name: value for name, value in node.items() if name not in ("$ref", "description")}
            node = {**target, **siblings}
        return node

    def whole(self, schema):
        """The schema without references or allOf, its objects closed."""
        schema = self.resolve(copy.deepcopy(schema))
        if not isinstance(schema, dict):
            return schema
        for base in schema.pop("allOf", []):
            base = self.whole(base)
            schema["properties"] = base.get("properties", {}) | schema.get("properties", {})
            schema["required"] = base.get("required", []) + schema.get("required", [])
        if schema.pop("unevaluatedProperties", None) is False:
            schema["additionalProperties"] = False
        for name in ("items", "additionalProperties", "propertyNames", "not"):
            if name in schema:
                schema[name] = self.whole(schema[name])
        for name in ("oneOf", "anyOf"):
            if name in schema:
                schema[name] = [self.whole(branch) for branch in schema[name]]
        if "properties" in schema:
            schema["properties"] = {name: self.whole(value) for name, value in schema["properties"].items()}
            schema.setdefault("additionalProperties", False)
        return schema

    def check(self, schema, value):
        """Raises an AssertionError that says what does not fit."""
        check_value(self.whole(schema), value)

    def body_schema(self, operation):
        """Of JSON that is sent; whole. None: it takes none."""
        body = operation.json.get("requestBody")
        return self.whole(body["content"]["application/json"]["schema"]) if body else None

    def body_examples(self, operation):
        body = operation.json.get("requestBody")
        return examples_of(body["content"]["application/json"]) if body else []

    def response(self, operation, status):
        responses = operation.json["responses"]
        found = responses.get(str(status), responses.get("default"))
        assert found is not None, f"{operation.id} does not describe {status}"
        return self.resolve(found)

    def check_reply(self, operation, reply):
        """That the reply's status, headers and body are described; gives its JSON, if it is that."""
        response = self.response(operation, reply.status)
        self._check_headers(response, reply)
        content = response.get("content", {})
        if not content:
            assert reply.text == "", f"a body that is not described: {reply}"
            return None
        media_type = reply.headers["Content-Type"].split(";")[0]
        assert media_type in content, f"{media_type} is not described: {reply}"
        schema = content[media_type].get("schema", True)
        value = json.loads(reply.text) if media_type == "application/json" else reply.text
        try:
            self.check(schema, value)
        except AssertionError as error:
            raise AssertionError(f"{operation.id} {reply.status}: {error}\n{reply}") from None
        return value

    def _check_headers(self, response, reply):
        sent = {name.lower(): value for name, value in reply.headers.items()}
        for name, header in response.get("headers", {}).items():
            header = self.resolve(header)
            value = sent.get(name.lower())
            assert value is not None or not header.get("required"), f"{name} is missing: {reply}"
            if value is not None:
                is_number = self.resolve(header["schema"]).get("type") == "integer"
                self.check(header["schema"], int(value) if is_number else value)


def check_value(schema, value):
    errors = jsonschema.Draft202012Validator(schema, format_checker=FORMATS).iter_errors(value)
    error = jsonschema.exceptions.best_match(errors)
    if error is not None:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
        raise AssertionError(f"{place or 'the whole'}: {error.message[:2000]}")


def fits(schema, value):
    return jsonschema.Draft202012Validator(schema, format_checker=FORMATS).is_valid(value)


def examples_of(node):
    """The values of `example` and `examples` of a media type, a parameter or a header."""
    found = [node["example"]] if "example" in node else []
    return found + [example["value"] for example in node.get("examples", {}).values()]


def fill(path, values):
    """The path with its parameters filled in."""
    return re.sub(r"\{(\w+)\}", lambda match: values[match.group(1)], path)
