"""Messages and tools as the values that Ollama shows to a Go template. Knows field names, no template.

Numbers inside a call's arguments and a tool's schema become float64, as Go decodes JSON; but an object that prints
itself prints the numbers as they came. Keys of a schema that Ollama does not know are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hollama.template import gojson
from hollama.template.values import Object, well_formed
from hollama.types import Message, ToolCall


def message_value(message: Message) -> Object:
    fields: dict[str, Any] = {
        "Role": well_formed(message.role),
        "Content": well_formed(message.content),
        "Thinking": well_formed(message.thinking),
        "Images": message.images,
        "ToolCalls": [_call(call) for call in message.tool_calls],
        "ToolName": well_formed(message.tool_name),
        "ToolCallID": well_formed(message.tool_call_id),
    }
    return _struct("*template.templateMessage", fields)


def _call(call: ToolCall) -> Object:
    arguments = dict(call.arguments)
    shown = Object(
        "template.templateArgs",
        decoded_json(arguments),
        lambda: sorted_json(arguments),
        lambda: gojson.encode(arguments),
    )
    function = _struct(
        "template.templateToolCallFunction",
        {"Index": call.index, "Name": well_formed(call.name), "Arguments": shown},
    )
    return _struct("template.templateToolCall", {"ID": well_formed(call.id), "Function": function})


def _struct(name: str, fields: dict[str, Any]) -> Object:
    return Object(name, fields, lambda: fields, is_struct=True)


def tools_value(tools: Sequence[Mapping[str, Any]]) -> Object:
    """All the tools; falsy where there are none."""
    values = [_tool(tool) for tool in tools]
    return _printing("template.templateTools", values, values)


def _printing(name: str, value: Any, json: object, is_struct: bool = False) -> Object:
    return Object(name, value, lambda: json, lambda: gojson.encode(json, sort_keys=False), is_struct)


def _tool(tool: Mapping[str, Any]) -> Object:
    function = _function(_mapping(tool.get("function")))
    kind, items = _string(tool.get("type")), tool.get("items")
    json = {"type": kind, **_given(items=sorted_json(items)), "function": function}
    fields = {"Type": kind, "Items": decoded_json(items), "Function": function}
    return _printing("template.templateTool", fields, json, is_struct=True)


def _function(function: Mapping[str, Any]) -> Object:
    name, description = _string(function.get("name")), _string(function.get("description"))
    parameters = _parameters(_mapping(function.get("parameters")))
    json = {"name": name, "description": description, "parameters": parameters}
    fields = {"Name": name, "Description": description, "Parameters": parameters}
    return _printing("template.templateToolFunction", fields, json, is_struct=True)


def _parameters(parameters: Mapping[str, Any]) -> Object:
    kind, definitions, items = _string(parameters.get("type")), parameters.get("$defs"), parameters.get("items")
    required, properties = _strings(parameters.get("required")), _properties(parameters.get("properties"))
    optional = {"$defs": sorted_json(definitions), "items": sorted_json(items), "required": required}
    json = {"type": kind, **_given(**optional), "properties": properties}
    fields = {"Type": kind, "Defs": decoded_json(definitions), "Items": decoded_json(items)}
    fields |= {"Required": required, "Properties": properties}
    return _printing("template.templateToolFunctionParameters", fields, json, is_struct=True)


def _properties(properties: Any) -> Object:
    values = {well_formed(name): _property(_mapping(schema)) for name, schema in sorted(_mapping(properties).items())}
    return _printing("template.templateProperties", values, values)


def _property(schema: Mapping[str, Any]) -> Object:
    kinds, description = _kinds(schema.get("type")), _string(schema.get("description"))
    alternatives = [_property(_mapping(alternative)) for alternative in _sequence(schema.get("anyOf"))]
    items, enum = schema.get("items"), list(_sequence(schema.get("enum")))
    properties, required = _properties(schema.get("properties")), _strings(schema.get("required"))
    json = _given(
        anyOf=alternatives,
        type=kinds if kinds.value else None,
        items=sorted_json(items),
        description=description,
        enum=sorted_json(enum),
        properties=properties if properties.value else None,
        required=required,
    )
    fields = {"AnyOf": alternatives, "Type": kinds, "Items": decoded_json(items), "Description": description}
    fields |= {"Enum": decoded_json(enum), "Properties": properties, "Required": required}
    return _printing("api.ToolProperty", fields, json, is_struct=True)


def _kinds(value: Any) -> Object:
    """A property's type: one name prints as itself, several as a list."""
    names = [well_formed(value)] if isinstance(value, str) else _strings(value)
    single = names[0] if len(names) == 1 else None
    return Object(
        "api.PropertyType", names, lambda: single or names, lambda: single or f"[{' '.join(names)}]" if names else ""
    )


def _given(**values: Any) -> dict[str, Any]:
    """The values that Go's `omitempty` leaves in."""
    return {
        name: value for name, value in values.items() if isinstance(value, Object) or value not in (None, "", [], {})
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _string(value: Any) -> str:
    return well_formed(value) if isinstance(value, str) else ""


def _strings(value: Any) -> list[str]:
    return [well_formed(item) for item in _sequence(value) if isinstance(item, str)]


def decoded_json(value: Any) -> Any:
    """A JSON value as Go holds it: every number a float64."""
    match value:
        case bool() | float() | None:
            return value
        case int():
            # beyond float64 Go refuses the document; here it is infinite
            return float(value) if abs(value) < 1 << 1023 else float("inf")
        case str():
            return well_formed(value)
        case Mapping():
            return {well_formed(str(key)): decoded_json(item) for key, item in value.items()}
        case _:
            return [decoded_json(item) for item in value]


def sorted_json(value: Any) -> Any:
    """A JSON value with its keys in order, as Go writes a map."""
    match value:
        case Mapping():
            return {str(key): sorted_json(value[key]) for key in sorted(value)}
        case list() | tuple():
            return [sorted_json(item) for item in value]
    return value
