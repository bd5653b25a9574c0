"""Definitions as request bodies: described in the OpenAPI document, checked by the operation that takes them.

The operation's sentences name what is wrong as those about a configuration file do, and a literal API key
is sealed before anything else sees it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

from fastapi import Body
from pydantic import BaseModel, Field, GetJsonSchemaHandler, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from worker.exports.definitions import Connection, Consent, Definition, Export, Named, Segment


class _Described:
    """Says in the schema what a model says, and lets any object pass."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(self._model.__pydantic_core_schema__)


def _changes(kind: type[Named]) -> type[BaseModel]:
    """A model of some of the keys; null takes one back to its default."""
    fields: dict[str, Any] = {
        name: (_kind_of(field) | None, Field(None, description=field.description))
        for name, field in kind.model_fields.items()
        if name != "name"
    }
    model: type[BaseModel] = create_model(f"{kind.__name__}Changes", __base__=Definition, **fields)
    return model


def _kind_of(field: FieldInfo) -> Any:
    """The type of a field with its constraints, but without its default."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


Values: TypeAlias = Mapping[str, Any]

ConnectionValues: TypeAlias = Annotated[Values, Body(), _Described(Connection)]
SegmentValues: TypeAlias = Annotated[Values, Body(), _Described(Segment)]
ExportValues: TypeAlias = Annotated[Values, Body(), _Described(Export)]
ConsentValues: TypeAlias = Annotated[Values, Body(), _Described(Consent)]

CONNECTION_CHANGES: Final = _Described(_changes(Connection))
SEGMENT_CHANGES: Final = _Described(_changes(Segment))
EXPORT_CHANGES: Final = _Described(_changes(Export))

ConnectionChanges: TypeAlias = Annotated[Values, Body(), CONNECTION_CHANGES]
SegmentChanges: TypeAlias = Annotated[Values, Body(), SEGMENT_CHANGES]
ExportChanges: TypeAlias = Annotated[Values, Body(), EXPORT_CHANGES]
