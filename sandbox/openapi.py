"""Holding request bodies against Discord's own OpenAPI description (JSON Schema, draft 2020-12)."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from sandbox.state import Json

ROOT = "urn:discord"
SNOWFLAKE: Json = {"type": ["string", "integer"], "pattern": "^(0|[1-9][0-9]*)$", "minimum": 0}
"""The one allowance: Discord takes ids as numbers too, and discord.py numbers new attachments so."""

PREFERRED = ("application/json", "multipart/form-data")


class BodySchemas:
    """The schema of each request body, found by method and path.

    Args:
        path: Discord's OpenAPI file.
    """

    def __init__(self, path: Path) -> None:
        document: Json = json.loads(path.read_text())
        document["components"]["schemas"]["SnowflakeType"] = SNOWFLAKE
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        self._registry: Registry[bool | Mapping[str, Any]] = Registry().with_resource(ROOT, resource)
        self._routes: list[tuple[str, re.Pattern[str], str]] = []
        self._validators: dict[str, Draft202012Validator] = {}
        # a template with fewer parameters is the more precise one: …/messages/@original before …/messages/{message_id}
        for template in sorted(document["paths"], key=lambda t: t.count("{")):
            pattern = re.compile(re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(template)))
            for method, operation in document["paths"][template].items():
                content = operation.get("requestBody", {}).get("content", {}) if isinstance(operation, dict) else {}
                kind = next((k for k in PREFERRED if k in content), None)
                if kind is not None:
                    steps = ("paths", template, method, "requestBody", "content", kind, "schema")
                    self._routes.append((method.upper(), pattern, _pointer(*steps)))

    def errors(self, method: str, path: str, body: object) -> list[str]:
        """What is wrong with a body, each with the place in it; empty when nothing is, or nothing is asked."""
        for known, pattern, pointer in self._routes:
            if known == method and pattern.fullmatch(path):
                return [_describe(error) for error in self._validator(pointer).iter_errors(body)]
        return []

    def _validator(self, pointer: str) -> Draft202012Validator:
        if pointer not in self._validators:
            schema = {"$ref": f"{ROOT}#{pointer}"}
            self._validators[pointer] = Draft202012Validator(schema, registry=self._registry)
        return self._validators[pointer]


def _pointer(*steps: str) -> str:
    escaped = (step.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D") for step in steps)
    return "/" + "/".join(escaped)


def _describe(error: ValidationError) -> str:
    """The deepest telling cause: a oneOf alone only says that nothing fits."""
    cause = best_match([error]) or error
    place = ".".join(str(part) for part in cause.absolute_path) or "body"
    return f"{place}: {cause.message[:300]}"
