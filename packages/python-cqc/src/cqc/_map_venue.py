"""Reads payloads through a venue's tables, accounts for every value, and writes the payloads again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from cqc._ids import InvalidIdError
from cqc._map_codecs import UNITS
from cqc._map_derive import fill_symbol
from cqc._map_json import (
    ABSENT,
    Number,
    Parts,
    children,
    find,
    json_text,
    leaves,
    look,
    parse_json,
    pointed,
    pointer,
    states_nothing,
    word,
)
from cqc._map_table import (
    Compiled,
    Context,
    Defaults,
    Row,
    Table,
    TableError,
    compile_table,
    composed,
    meant,
    type_names,
)
from cqc.markets.v1 import Symbol
from cqc.venues.v1 import VenueSymbol

MAX_VENUE_FIELDS = 256
"""Entries of `venue_fields` that the kit fills at most."""
MAX_VENUE_FIELDS_BYTES = 64 * 1024
"""Bytes of keys and values of `venue_fields` that the kit fills at most."""

# Compared with a key in lower case without separators.
_PERSONAL = (
    r"(main|master|parent|sub|owner|trader|user|member|customer|client)?(uid|userid|memberid|customerid)|user|"
    r"(user|first|last|full|real|nick|family|trader|account|sub(acct|account)|master(acct)?)name|subacct|nickname|"
    r".*e?mail|.*phone(number|no)?|mobile|areacode(from|to)?|ips?|ip(address|list)|.*apikey|.*secret(key)?|passphrase|"
    r".*password|(api|auth|access|refresh|listen)?(token|key|signature)|"
    r"rcvr.*(name|country|info)|(t|m|maker|taker)?tradercode|kyc(level|lv)|invite[rd]?(id|code)?|"
    r"(sender|recipient|beneficiary)name|birth(day|date)|passport|idnumber|residence|country"
)
_KEY = "personal data, or a key"
_CODE = re.compile(r"[A-Z0-9]{1,32}")


def code_as_asset(code: str) -> str | None:
    """For `Venue.asset` of a venue whose codes are the asset ids: the code, or None if no asset has such an id."""
    return code if _CODE.fullmatch(code) else None


@dataclass(frozen=True)
class Venue:
    """All tables of one venue.

    - venue_id: fills `venue_id`, also that of `native_listing`
    - tables: the first whose condition holds reads a record
    - root: where records stand in most payloads, such as `data.*|.`: the first of them that is there
    - time: unit of the venue's times: `s`, `ms`, `us`, `ns`; empty where the size of the number or RFC 3339 tells it
    - words: the venue's words beyond the shared ones, per enum's name or per name used in a row's `words:`
    - scales: by which power of ten the venue counts an asset, for the modifier `by:`
    - common: rows `place ~ word` and `place # reason` for every table, such as those of the frame around records
    - listing: the `venue_symbol_id` of a segment and symbol; None or an InvalidIdError where it is not known
    - asset: the asset id of a code, or None; None too for a code that counts a multiple of an asset (`1000SATS`)
    - personal: further keys that are never kept, as a regular expression for keys in lower case without separators

    Raises TableError with every row that names a field, value, word or modifier that does not exist.
    """

    venue_id: str
    tables: Sequence[Table]
    root: str = "."
    time: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, int] = field(default_factory=dict)
    common: str = ""
    listing: Callable[[str, str], str | None] = lambda segment, symbol: None
    asset: Callable[[str], str | None] = lambda code: None
    personal: str = ""

    def __post_init__(self) -> None:
        _ = self.compiled

    @cached_property
    def compiled(self) -> tuple[Compiled, ...]:
        """The tables, checked."""
        defaults = Defaults(self.root, self.time, self.words, self.common)
        faults: list[str] = []
        made = tuple(compile_table(item, defaults, faults) for item in self.tables)
        known = type_names()
        for name in self.words:
            # Another capital name may be one for `words:` that no row uses.
            if name[:1].isupper() and name not in known and meant(name, known):
                faults.append(f"words: no enum is named {name}{meant(name, known)}")
        if self.time not in ("", *UNITS):
            faults.insert(0, f"time={self.time!r}: expected one of {', '.join(UNITS)}, or nothing")
        if faults:
            # A row of `common` or of a shared section is faulty in every table.
            raise TableError("\n".join(dict.fromkeys(faults)))
        return made

    @cached_property
    def _private(self) -> re.Pattern[str]:
        return re.compile(f"{_PERSONAL}|{self.personal}" if self.personal else _PERSONAL)

    def is_personal(self, key: str) -> bool:
        """Whether values under a key are kept only where a row names them."""
        return bool(self._private.fullmatch(re.sub(r"[\s_-]", "", key).lower()))

    def read(
        self, payload: Any, name: str = "", *, account_id: str = "", received_at: Timestamp | None = None
    ) -> Reading:
        """Read a payload, as `parse_json` returns it. Never fails: what no table reads is in the counts as lost.

        - name: where the payload stood, such as an endpoint or a channel; rows and conditions see it as `@name`
        - account_id, received_at: fill the fields of that name
        """
        return Reading(self, payload, name, account_id, received_at)


@dataclass
class Item:
    """One record: its message, None if it is skipped, and its place in the payload."""

    source: Compiled
    at: Parts
    context: Context
    message: Any
    typed: list[tuple[Parts, Parts, Row]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The kind that the table states, or the reason why the record is skipped."""
        return self.source.table.kind


@dataclass
class Counts:
    """What became of the values of one kind of record: each value is in one of these.

    - typed: a field brings it back
    - in_venue_fields: `venue_fields` brings it back
    - empty: states nothing, or is the venue's way to say "none"
    - not_kept: left out, by place and reason
    - lost: neither, with the reason
    """

    records: int = 0
    typed: int = 0
    in_venue_fields: int = 0
    empty: int = 0
    not_kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)


class Reading:
    """The messages of a payload, and what became of each of its values. `Venue.read` makes it."""

    def __init__(self, venue: Venue, payload: Any, name: str, account_id: str, received_at: Timestamp | None) -> None:
        self.venue, self.payload = venue, payload
        self.items: list[Item] = []
        """Records in the order of the payload."""
        self._settled: dict[Parts, tuple[str, str, Item | None]] = {}
        self._faults: dict[Parts, str] = {}
        self._account_id, self._received_at = account_id, received_at
        self._claim(Context(payload, name))
        for item in self.items:
            self._fill(item)
        self._account()

    @property
    def messages(self) -> list[Any]:
        """All messages, in the order of the payload."""
        return [item.message for item in self.items if item.message is not None]

    # Reading

    def _claim(self, context: Context) -> None:
        taken: list[Parts] = []
        for source in self.venue.compiled:
            for here in _records(source, Context(context.payload, context.name, context.payload), taken):
                taken.append(here.at)
                self._add(source, here)
        self.items.sort(key=lambda item: [(int(part) if part.isdecimal() else 0, part) for part in item.at])

    def _add(self, source: Compiled, here: Context) -> None:
        kind = source.table.message
        self.items.append(Item(source, here.at, here, kind() if kind is not None else None))
        for more in source.also:
            for inner in _records(more, here):
                self._add(more, inner)

    def _fill(self, item: Item) -> None:
        filled: set[tuple[tuple[str, ...], Parts]] = set()
        stated: dict[str, None] = {}
        for row in item.source.rows:
            for at, indices, value in item.context.values(row.place):
                if row.reason:
                    self._settle_all(value, at, row.reason, item)
                elif row.constant and item.message is not None:
                    item.typed.append((at, indices, row))
                elif row.condition.holds(item.context) and row.target is not None:
                    stated[row.target.steps[0]] = None
                    # A field without a star in its path is one for all items: each says the same.
                    own = indices if "*" in row.target.steps else ()
                    self._read(item, row, at, own, value, filled)
        if item.message is None:
            return
        for constant in item.source.constants:
            constant.apply(item.message, item.context)
        # Before the functions, which may need the ids, and after them, for what they made.
        self._identify(item.message)
        for derive in item.source.table.derive:
            derive(item.message, item.context)
        if item.source.table.derive:
            self._identify(item.message)
        if isinstance(item.message, Symbol):
            self._identify_symbol(item.message, item.at)
        # Once more for those that are made of ids.
        for constant in item.source.constants:
            constant.apply(item.message, item.context)
        if item.source.partial is not None and item.source.partial.holds(item.context):
            item.message.stated.paths.extend(stated)

    def _read(
        self,
        item: Item,
        row: Row,
        at: Parts,
        indices: Parts,
        value: Any,
        filled: set[tuple[tuple[str, ...], Parts]],
    ) -> None:
        assert row.target is not None
        if row.is_absent(value):
            if not row.place.special:
                self._settled.setdefault(at, ("empty", "", item))
            return
        key = (row.target.steps, indices)
        try:
            found = row.read(value, item.context, self.venue.scales)
            if found is ABSENT:
                return
            # Of several places for one field the first fills it; the others count as typed if they say the same.
            if key not in filled:
                row.put(item.message, found, value, indices)
                filled.add(key)
        except (ValueError, ArithmeticError, TypeError) as error:
            self._faults[at] = f"`{row.text}`: {error}"
            return
        if not row.place.special:
            item.typed.append((at, indices, row))
            item.typed += [(place, (), chosen) for place, chosen in row.selectors(at)]

    def _settle_all(self, value: Any, at: Parts, reason: str, item: Item | None) -> None:
        for place, leaf in leaves(value, at):
            empty = states_nothing(leaf)
            self._settled.setdefault(place, ("empty", "", item) if empty else ("not kept", reason, item))

    def _identify(self, message: Any) -> None:
        """Fill the ids that follow from the venue, the account and what the message states, at any depth."""
        names = message.DESCRIPTOR.fields_by_name
        for name, value in (("venue_id", self.venue.venue_id), ("account_id", self._account_id)):
            if name in names and value and not getattr(message, name):
                setattr(message, name, value)
        if "received_at" in names and self._received_at is not None and not message.HasField("received_at"):
            message.received_at.CopyFrom(self._received_at)
        for name in names:
            code = f"{name.removesuffix('id')}code"
            if name.endswith("asset_id") and code in names and not getattr(message, name) and getattr(message, code):
                found = self.venue.asset(getattr(message, code))
                if found:
                    setattr(message, name, found)
        for known, value in message.ListFields():
            kind = known.message_type
            if kind is not None and kind.full_name.startswith("cqc.") and not kind.GetOptions().map_entry:
                for inner in value if known.is_repeated else [value]:
                    self._identify(inner)
        if isinstance(message, VenueSymbol) and not message.venue_symbol_id:
            message.venue_symbol_id = self._listing(message.segment, message.native_symbol)
            message.symbol_id = message.symbol_id or message.venue_symbol_id.partition(":")[2].partition(":")[0]
        if "native_listing" in names and "venue_symbol_id" in names and message.HasField("native_listing"):
            native = message.native_listing
            found = self._listing(native.segment, native.symbol)
            if found and native.symbol and not message.venue_symbol_id:
                message.venue_symbol_id = found

    def _listing(self, segment: str, symbol: str) -> str:
        try:
            return self.venue.listing(segment, symbol) or ""
        except InvalidIdError:
            return ""

    def _identify_symbol(self, symbol: Symbol, at: Parts) -> None:
        for item in self.items:
            if item.at == at and isinstance(item.message, VenueSymbol):
                symbol.symbol_id = symbol.symbol_id or item.message.symbol_id
        fill_symbol(symbol)

    # What became of each value

    def _account(self) -> None:
        for item in self.items:
            if item.message is None:
                self._settle_all(look(self.payload, item.at), item.at, item.kind, item)
            for at, row, written, same in self._compared(item, item.message):
                if same:
                    self._settled[at] = ("typed", "", item)
                else:
                    holder = "row" if row.constant else "field"
                    came = "it does not come back" if written is ABSENT else f"the {holder} has {_short(written)}"
                    self._faults[at] = f"`{row.text}`: {came}"
        if self.items and not self.messages:
            # What stands around records that are skipped goes with them.
            self._settle_all(self.payload, (), self.items[0].kind, self.items[0])
        owners: dict[Parts, Item] = {}
        for item in self.items:
            # Of several messages from one record, the first that has venue_fields takes what is left.
            if item.at not in owners or not _has_fields(owners[item.at].message):
                owners[item.at] = item
        self._settle_personal(self.payload, (), None, owners)
        touched = {place[:size] for place in (*self._settled, *owners) for size in range(len(place) + 1)}
        self._walk(self.payload, (), None, owners, touched)

    def _settle_personal(self, value: Any, at: Parts, owner: Item | None, owners: Mapping[Parts, Item]) -> None:
        owner = owners.get(at, owner)
        if at in self._settled or states_nothing(value):
            return
        if at and not at[-1].isdecimal() and self.venue.is_personal(at[-1]):
            self._settle_all(value, at, _KEY, owner)
            return
        for key, item in children(value):
            self._settle_personal(item, (*at, key), owner, owners)

    def _walk(
        self, value: Any, at: Parts, owner: Item | None, owners: Mapping[Parts, Item], touched: set[Parts]
    ) -> None:
        owner = owners.get(at, owner)
        if at in self._settled:
            return
        if states_nothing(value):
            self._settled[at] = ("empty", "", owner)
        elif isinstance(value, dict | list | tuple) and (
            at in touched or owner is None or not _has_fields(owner.message)
        ):
            for key, item in children(value):
                self._walk(item, (*at, key), owner, owners, touched)
        else:
            self._settled[at] = self._keep(value, at, owner)

    def _keep(self, value: Any, at: Parts, owner: Item | None) -> tuple[str, str, Item | None]:
        if owner is None:
            return ("lost", "outside the records" if self.items else "no table reads it", None)
        if not _has_fields(owner.message):
            return ("lost", f"{owner.message.DESCRIPTOR.name} has no venue_fields", owner)
        fields = owner.message.venue_fields
        key, text = pointer(at[len(owner.at) :]), json_text(value)
        size = sum(len(one.encode()) + len(other.encode()) for one, other in fields.items())
        try:
            if len(fields) >= MAX_VENUE_FIELDS or size + len((key + text).encode()) > MAX_VENUE_FIELDS_BYTES:
                return ("lost", "venue_fields is full", owner)
            fields[key] = text
        except ValueError:
            return ("lost", "not representable in UTF-8", owner)
        return ("fields", "", owner)

    # Writing

    def _written(self, item: Item, row: Row, indices: Parts, message: Any) -> Any:
        try:
            return row.get(message, indices, item.context, self.venue.scales)
        except (ValueError, ArithmeticError, TypeError):
            return ABSENT

    def _compared(self, item: Item, message: Any) -> Iterator[tuple[Parts, Row, Any, bool]]:
        """Per place and row: what is written again, and whether it states what was sent."""
        parts: dict[Parts, list[tuple[Row, Any]]] = {}
        for at, indices, row in item.typed:
            written = self._written(item, row, indices, message)
            same = row.same(look(self.payload, at), written)
            yield at, row, written, same
            if row.pattern and not same:
                parts.setdefault(at, []).append((row, written))
        for at, rows in parts.items():
            whole = composed(look(self.payload, at), rows)
            if whole is not ABSENT:
                yield at, rows[0][0], whole, True

    def _returned(self, messages: Sequence[Any] | None) -> tuple[dict[Parts, Any], dict[Parts, Any], dict[Parts, Any]]:
        """By place: what fields bring back, what `venue_fields` bring back, and what fields bring back differently."""
        items = [item for item in self.items if item.message is not None]
        typed: dict[Parts, Any] = {}
        kept: dict[Parts, Any] = {}
        different: dict[Parts, Any] = {}
        for item, message in zip(items, self.messages if messages is None else messages, strict=True):
            for at, _, written, same in self._compared(item, message):
                if same:
                    typed[at] = _like(look(self.payload, at), written)
                elif written is not ABSENT:
                    different[at] = written
            if _has_fields(message):
                kept |= {(*item.at, *pointed(key)): parse_json(text) for key, text in message.venue_fields.items()}
        return typed, kept, different

    def write(self, messages: Sequence[Any] | None = None) -> Any:
        """Write the payload again from its messages, without what is empty or not kept.

        `messages` are those of `self.messages` after a journey, in the same order.
        """
        typed, kept, _ = self._returned(messages)
        rebuilt = _rebuilt(self.payload, (), {**typed, **kept})
        return None if rebuilt is ABSENT else rebuilt

    def counts(self, messages: Sequence[Any] | None = None) -> dict[str, Counts]:
        """Compare the payload with what is written again, per kind of record. `messages` as for `write`."""
        typed, kept, different = self._returned(messages)
        result: dict[str, Counts] = {}
        for item in self.items:
            result.setdefault(item.kind, Counts()).records += 1
        first = self.items[0].kind if self.items else "no table"
        for at, (state, reason, owner) in self._settled.items():
            counts = result.setdefault(owner.kind if owner is not None else first, Counts())
            sent = look(self.payload, at)
            inside = sum(not states_nothing(leaf) for _, leaf in leaves(sent))
            if state == "typed" and at in typed:
                counts.typed += inside
            elif state == "fields" and at in kept and json_text(kept[at]) == json_text(sent):
                counts.in_venue_fields += inside
            elif state == "empty":
                counts.empty += 1
            elif state == "not kept":
                counts.not_kept[_general(at), reason] += 1
            else:
                came = f"came back as {word(different[at])}" if at in different else "did not come back"
                counts.lost.append(f"{pointer(at)}: {reason or f'{word(sent)} {came}'}")
        return result

    def faults(self) -> dict[tuple[str, str], str]:
        """Why a row that names a place did not type its value, by kind and place as in `unnamed`, for who writes it."""
        return {
            (owner.kind, _general(at[len(owner.at) :])): self._faults[at]
            for at, (state, _, owner) in self._settled.items()
            if state in ("fields", "lost") and owner is not None and at in self._faults
        }

    def unknown_words(self) -> Counter[tuple[str, str, str]]:
        """Kinds, fields and words that no vocabulary knows: only the `raw_` field has such a word."""
        result: Counter[tuple[str, str, str]] = Counter()
        for item in self.items:
            for at, indices, row in item.typed:
                if row.raw is not None and row.target is not None and row.target.get(item.message, indices) is ABSENT:
                    result[item.kind, ".".join(row.target.steps), word(look(self.payload, at))] += 1
        return result

    def rows(self) -> Counter[tuple[str, str]]:
        """How many values each row of the tables in use found, by kind and row: 0 for a place that does not occur."""
        result: Counter[tuple[str, str]] = Counter()
        for item in self.items:
            for row in item.source.rows:
                result[item.kind, row.text] += len(item.context.values(row.place))
        return result

    def unnamed(self) -> Counter[tuple[str, str]]:
        """Kinds and places, with `*` for the items of lists, of what is in `venue_fields`: what a table could name."""
        return Counter(
            (owner.kind, _general(at[len(owner.at) :]))
            for at, (state, _, owner) in self._settled.items()
            if state == "fields" and owner is not None
        )


def _records(source: Compiled, outer: Context, taken: Sequence[Parts] = ()) -> list[Context]:
    """The records of a table inside another, or inside the payload, from the first root that has any."""
    for root in source.roots:
        places = find(outer.record, root, outer.at)
        found = [Context(outer.payload, outer.name, record, at) for at, _, record in places]
        free = [here for here in found if not any(_overlap(here.at, other) for other in taken)]
        records = [here for here in free if source.when.holds(here)]
        if records:
            return records
    return []


def _overlap(one: Parts, other: Parts) -> bool:
    return one[: len(other)] == other or other[: len(one)] == one


def _has_fields(message: Any) -> bool:
    return message is not None and "venue_fields" in message.DESCRIPTOR.fields_by_name


def _general(at: Parts) -> str:
    # The last part of `bids.0.2` is a place in an array, not one of many items.
    return ".".join(["*" if part.isdecimal() else part for part in at[:-1]] + list(at[-1:]))


def _short(value: Any) -> str:
    text = json_text(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _like(sent: Any, written: Any) -> Any:
    """A number as a string where the venue sent a string, and the other way round."""
    if isinstance(sent, list | tuple):
        return [_like(one, other) for one, other in zip(sent, written, strict=True)]
    if isinstance(written, list | tuple):
        return _like(sent, written[0])
    if isinstance(sent, str):
        return Number(word(written)) if isinstance(sent, Number) else word(written)
    return written


def _rebuilt(value: Any, at: Parts, values: Mapping[Parts, Any]) -> Any:
    if at in values:
        return values[at]
    if isinstance(value, dict):
        made = ((key, _rebuilt(item, (*at, str(key)), values)) for key, item in value.items())
        return {key: item for key, item in made if item is not ABSENT}
    if isinstance(value, list | tuple):
        items = (_rebuilt(item, (*at, str(index)), values) for index, item in enumerate(value))
        return [None if item is ABSENT else item for item in items]
    return ABSENT
