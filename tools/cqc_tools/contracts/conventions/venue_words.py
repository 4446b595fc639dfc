"""A venue's own word is kept beside the enum that an adapter translates it to, because no enum knows every venue."""

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from cqc_tools.contracts.conventions.services import reachable
from cqc_tools.contracts.conventions.sources import Finding, Sources

MARK = "venue_fields"
# Enums whose value follows from the field or the adapter and not from a word of the venue.
EXEMPT = frozenset(
    {
        "QuantityUnit",
        "ChecksumKind",
        "PriceKind",
        "PriceSource",
        "DataSource",
        "ColumnEncoding",
        "CalendarInterval",
    }
)


def missing_words(sources: Sources) -> Iterator[Finding]:
    """Enum fields without `raw_<field>`, in messages with `venue_fields` and in the messages inside them."""
    facts = [message for message in sources.messages if MARK in message.fields_by_name]
    filled = {name for name, used in reachable(facts).items() if isinstance(used, Descriptor) and sources.is_own(used)}
    for message in sources.messages:
        if message.full_name not in filled:
            continue
        for field in message.fields:
            if field.enum_type and sources.is_own(field.enum_type) and field.enum_type.name not in EXEMPT:
                raw = message.fields_by_name.get(f"raw_{field.name}")
                if not raw or raw.type != FieldDescriptor.TYPE_STRING or raw.is_repeated != field.is_repeated:
                    kind = "repeated string" if field.is_repeated else "string"
                    yield sources.place(field).finding(
                        f"{message.name}.{field.name} keeps no word of the venue",
                        f"add {kind} raw_{field.name} after it",
                    )
