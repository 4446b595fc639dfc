"""Every language must give the same verdicts on the corpus, and the same answers from CQC's helpers.

The expected verdicts are those that the corpus was made for. The questions to the helpers are generated.
"""

import base64
import itertools
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from cqc_tools.contracts.messages import Messages
from cqc_tools.foundation import workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.proof import outcomes, peers
from cqc_tools.proof.corpus import Case, cases
from cqc_tools.proof.corpus_values import NOT_DECIMAL, STRINGS
from cqc_tools.proof.peers import Answer, Peer, Request

QUESTIONS = 300
SHOWN = 5


@dataclass(frozen=True)
class Agreement:
    """How many questions about one rule or helper all languages answered in the same way."""

    subject: str
    answers: int


def rules(languages: Sequence[Peer], messages: Messages, sample: int | None, seed: int) -> list[Agreement]:
    """Validate the corpus, or a sample of its cases, in every language; returns one row per rule, and one for valid
    messages.

    Raises StageFailed with the first cases whose verdict, rule ids or paths differ between languages, or are not the
    expected ones.
    """
    corpus = _sampled(cases(messages), sample, random.Random(seed))
    requests = [{"op": "validate", "type": case.type, "data": _base64(case.data)} for case in corpus]
    verdicts = peers.ask_all([(peer, requests) for peer in languages])
    wrong = []
    for case, answers in zip(corpus, zip(*verdicts, strict=True), strict=True):
        same = all(_violations(answer) == _violations(answers[0]) for answer in answers)
        if not same or not _is_expected(case, answers[0]):
            given = "; ".join(f"{peer.language}: {answer}" for peer, answer in zip(languages, answers, strict=True))
            wrong.append(f"  {case.type} {case.field or ''} expected {case.rule or 'no violation'}: {given[:1500]}")
    if wrong:
        raise outcomes.first_problems(f"{len(wrong)} of {len(corpus)} verdicts are wrong", wrong, SHOWN)
    counts = Counter(case.rule or "(valid)" for case in corpus)
    return [Agreement(subject, counts[subject]) for subject in sorted(counts)]


def _sampled(corpus: list[Case], count: int | None, source: random.Random) -> list[Case]:
    """That many cases, one of every rule of every message type among them."""
    if count is None or count >= len(corpus):
        return corpus
    source.shuffle(corpus)
    first = {(case.type, case.rule): case for case in corpus}.values()
    # A dict keeps the order: those first, then the others.
    return list(dict.fromkeys([*first, *corpus]))[: max(count, len(first))]


def helpers(languages: Sequence[Peer], messages: Messages, seed: int) -> list[Agreement]:
    """Ask every language the same questions of every helper; returns one row per helper.

    Raises StageFailed with the first question that languages answer differently or only some reject.
    """
    source = random.Random(seed)
    subjects = {
        "can_transition": _transitions(messages),
        "decimals": _decimals(source),
        "timestamps": _timestamps(source),
        "notional": _notionals(source, messages),
        "display names": _names(messages),
        "order books": _books(source, messages),
        "book_checksum": _checksums(source, messages),
        "symbol_id": _ids(source, "symbol_id"),
        "venue_symbol_id": _ids(source, "venue_symbol_id"),
        "symbol_id_of": _symbols(source, messages, "symbol_id_of"),
        "combo_id": _symbols(source, messages, "combo_id"),
        "check_book": _checks(source, messages, "cqc.markets.v1.OrderBook"),
        "check_execution": _checks(source, messages, "cqc.venues.v1.ExecutionReport"),
        "check_candle": _checks(source, messages, "cqc.markets.v1.Candle"),
        "check_references": _references(source, messages),
        "gross_notional": _gross(source),
        "apply_stated": _stated(source, messages),
        "attributes and subjects of events": _events(source, messages),
    }
    # Each peer gets all questions together: starting it takes longer than answering one.
    everything = [request for requests in subjects.values() for request in requests]
    answered = zip(*peers.ask_all([(peer, everything) for peer in languages]), strict=True)
    for subject, requests in subjects.items():
        rejected = []
        for request in requests:
            answers = next(answered)
            given = [answer.get("data") if "error" not in answer else "rejected" for answer in answers]
            if any(item != given[0] for item in given):
                lines = [f"{peer.language}: {answer}"[:1500] for peer, answer in zip(languages, answers, strict=True)]
                details = "\n".join([str(request)[:1500], *lines])
                raise StageFailed(f"the languages give different answers about {subject} (seed {seed})", "", details)
            rejected += [answers[0]] if "error" in answers[0] else []
        if len(rejected) == len(requests):
            raise StageFailed(f"every question about {subject} was rejected", "", str(rejected[0]))
    return [Agreement(subject, len(requests)) for subject, requests in subjects.items()]


def _violations(answer: Answer) -> list[Any]:
    """Paths and rule ids; the messages of protovalidate's own rules differ between languages."""
    return sorted(item[:2] for item in answer["data"]) if "error" not in answer else [answer["error"]]


def _is_expected(case: Case, answer: Answer) -> bool:
    found = [(field, rule) for field, rule, _ in answer.get("data") or []]
    return (case.field, case.rule) in found if case.rule else not found and "error" not in answer


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _transitions(messages: Messages) -> list[Request]:
    questions = []
    for enum in ("OrderStatus", "TransferState"):
        states = [*messages.pool.FindEnumTypeByName(f"cqc.venues.v1.{enum}").values_by_number, 99]
        pairs = itertools.product(states, states)
        questions += [{"op": "transition", "enum": enum, "before": before, "after": after} for before, after in pairs]
    return questions


def _plain(source: random.Random, integer: int = 78, fraction: int = 38) -> str:
    """A decimal without exponent, often a short one."""
    whole = source.randrange(10 ** source.choice([1, 1, 3, 9, integer]))
    digits = source.choice([0, 0, 1, 2, 8, fraction])
    text = f"{whole}.{source.randrange(10**digits):0{digits}d}" if digits else str(whole)
    return f"-{text}" if source.random() < 0.2 and text.strip("0.") else text


def _decimals(source: random.Random) -> list[Request]:
    texts = [*STRINGS["decimal"][0], *NOT_DECIMAL, *(_plain(source) for _ in range(QUESTIONS))]
    return [{"op": "decimal", "text": text} for text in texts]


def _timestamps(source: random.Random) -> list[Request]:
    # Within the range of nanoseconds in 64 bits, to which Go is limited.
    times = [Timestamp(), Timestamp(nanos=1), Timestamp(seconds=-1, nanos=999_999_999), Timestamp(nanos=-1)]
    times += [Timestamp(seconds=1, nanos=10**9), Timestamp(seconds=9_223_372_036), Timestamp(seconds=-9_223_372_036)]
    times += [
        Timestamp(seconds=source.randint(-9_000_000_000, 9_000_000_000), nanos=source.randrange(10**9))
        for _ in range(QUESTIONS)
    ]
    return [{"op": "nanos", "data": _base64(time.SerializeToString())} for time in times]


def _notionals(source: random.Random, messages: Messages) -> list[Request]:
    """The examples that the packages' tests share, and listings whose units fit their product or do not."""
    listing_type, symbol_type = (
        _type(messages, f"cqc.{name}") for name in ("venues.v1.VenueSymbol", "markets.v1.Symbol")
    )
    examples = json.loads((workspace.GO_MODULE / "testdata" / "notional.json").read_text())["quantities"]
    records = [
        (json_format.ParseDict(item["listing"], listing_type()), json_format.ParseDict(item["symbol"], symbol_type()))
        for item in examples
    ]
    for _ in range(QUESTIONS):
        name = source.choice(["BTC-USDT-SPOT"] * 9 + ["COMBO-0123"])
        listing = listing_type(venue_symbol_id=f"a:{name}", symbol_id=name)
        symbol = symbol_type(symbol_id=name if source.random() < 0.95 else "OTHER-USDT-SPOT", quote_asset_id="USDT")
        if source.random() < 0.5:
            listing.contract_size = _plain(source).removeprefix("-")
            listing.contract_size_unit = source.randint(0, 3)
        elif source.random() < 0.4:
            listing.quanto_multiplier = _plain(source).removeprefix("-")
        if source.random() < 0.3:
            listing.base_multiplier = source.choice(["1000", "1000000", "3", "0", _plain(source).removeprefix("-")])
        for field, asset in (("settlement_asset_id", "BTC"), ("strike_asset_id", "USD")):
            if source.random() < 0.8:
                setattr(symbol, field, asset)
        records.append((listing, symbol))
    return [
        {
            "op": "notional",
            "price": source.choice([_plain(source), _plain(source), "1e5"]),
            "underlying": _plain(source),
            "quantity": _plain(source),
            "unit": unit,
            "data": _base64(listing.SerializeToString()),
            "symbol": _base64(symbol.SerializeToString()),
        }
        for listing, symbol in records
        for unit in range(4)
    ]


def _gross(source: random.Random) -> list[Request]:
    return [
        {"op": "gross", "amounts": [[_plain(source), source.choice("ABC")] for _ in range(source.randint(0, 5))]}
        for _ in range(QUESTIONS)
    ]


def _names(messages: Messages) -> list[Request]:
    return [
        {"op": "name", "enum": enum, "value": value}
        for enum in ("OrderType", "OrderStatus", "TimeInForce")
        for value in [*messages.pool.FindEnumTypeByName(f"cqc.venues.v1.{enum}").values_by_number, 99, -1]
    ]


def _levels(source: random.Random, count: int) -> list[dict[str, Any]]:
    levels = []
    for _ in range(count):
        price = source.choice(["9", "10", "10.0", "10.5", "10.50", "11", "100", "-1", "0.5"])
        level: dict[str, Any] = {"price": price, "quantity": source.choice(["0", "0.00", "1", "2.5", "-1"])}
        if source.random() < 0.1:
            level["order_id"] = source.choice("ab")
            level[source.choice(["price", "quantity"])] = source.choice(["", "1"])
        if source.random() < 0.01:
            level[source.choice(["price", "quantity"])] = source.choice(["", "1e5", "-0", "+1"])
        if source.random() < 0.1:
            level["action"] = source.randint(1, 3)
        levels.append(level)
    return levels


def _books(source: random.Random, messages: Messages) -> list[Request]:
    snapshot_type = messages.new(messages.pool.FindMessageTypeByName("cqc.markets.v1.OrderBook")).__class__
    delta_type = messages.new(messages.pool.FindMessageTypeByName("cqc.markets.v1.OrderBookDelta")).__class__
    questions = []
    for _ in range(QUESTIONS):
        numbered = source.random() < 0.8
        sequence = 100
        snapshot = snapshot_type(
            venue_symbol_id="a:ABC",
            bids=_levels(source, 4),
            asks=_levels(source, 4),
            sequence=sequence if numbered else None,
            depth=source.choice([None, None, 1, 2]),
        )
        snapshot.received_at.seconds = 1
        deltas = []
        for number in range(8):
            first = sequence + source.choice([1] * 12 + [-3, 3])
            last = first + source.randint(0, 2)
            delta = delta_type(
                venue_symbol_id="a:ABC",
                bids=_levels(source, 2),
                asks=_levels(source, 2),
            )
            delta.received_at.seconds = number
            if numbered:
                delta.sequence = last
                if source.random() < 0.7:
                    delta.first_sequence = first
                if source.random() < 0.3:
                    delta.previous_sequence = sequence + source.choice([0] * 12 + [2])
            if source.random() < 0.5:
                delta.timestamp.seconds = number
            if source.random() < 0.1:
                delta.checksum = 7
                delta.checksum_kind = source.randint(0, 5)
            sequence = max(sequence, last)
            deltas.append(_base64(delta.SerializeToString()))
        questions.append({"op": "book", "snapshot": _base64(snapshot.SerializeToString()), "deltas": deltas})
    return questions


def _checksums(source: random.Random, messages: Messages) -> list[Request]:
    book_type = messages.new(messages.pool.FindMessageTypeByName("cqc.markets.v1.OrderBook")).__class__
    books = [
        book_type(
            bids=_levels(source, source.choice([0, 3, 12, 30])),
            asks=_levels(source, source.choice([0, 3, 12, 30])),
        )
        for _ in range(QUESTIONS)
    ]
    return [
        {"op": "checksum", "kind": source.randint(0, 5), "data": _base64(book.SerializeToString())} for book in books
    ]


def _id_examples(subject: str) -> list[str]:
    """Ids of the examples that the packages' tests share, valid and invalid."""
    examples = json.loads((workspace.GO_MODULE / "testdata" / "ids.json").read_text())
    return [case["id"] for verdict in ("valid", "invalid") for case in examples[f"{subject}s"][verdict]]


def _edited(source: random.Random, text: str) -> str:
    place = source.randrange(len(text) + 1)
    added = "".join(source.choices("0123456789ABCPSTdx_-:. ", k=source.randint(0, 2)))
    return text[:place] + added + text[place + source.randint(0, 1) :]


def _ids(source: random.Random, subject: str) -> list[Request]:
    examples = _id_examples(subject)
    edited = [_edited(source, source.choice(examples)) for _ in range(QUESTIONS)]
    return [{"op": subject, "text": text} for text in [*examples, *edited]]


def _symbols(source: random.Random, messages: Messages, operation: str) -> list[Request]:
    """Records of products with parts that fit their type and parts that do not."""
    symbol_type = messages.new(messages.pool.FindMessageTypeByName("cqc.markets.v1.Symbol")).__class__
    ids = _id_examples("symbol_id")
    questions = []
    for _ in range(QUESTIONS):
        symbol = symbol_type(type=source.randint(0, 9), symbol_id=source.choice(ids))
        for name in ("base_asset_id", "quote_asset_id", "settlement_asset_id", "strike_asset_id"):
            if source.random() < 0.95:
                setattr(symbol, name, source.choice(["BTC", "USD", "USDC_ARBITRUM"]))
        if source.random() < 0.95:
            symbol.expiry.seconds = source.choice([source.randint(-62_135_596_800, 253_402_300_799), 1_735_286_400])
        if source.random() < 0.95:
            symbol.strike = source.choice(["3000", "0.250", "3000.00", "0"])
            symbol.option_type = source.randint(0, 3)
        for _ in range(source.randint(0, 4)):
            ratio = source.choice(["1", "1.0", "2", "0.50", "0.5"] if source.random() < 0.95 else ["0", "-1", ""])
            leg = source.choice(ids) if source.random() < 0.05 else source.choice(ids[:50])
            symbol.legs.add(symbol_id=leg, ratio=ratio, side=source.choice([1, 2] * 10 + [0, 3]))
        questions.append({"op": operation, "data": _base64(symbol.SerializeToString())})
    return questions


def _checks(source: random.Random, messages: Messages, name: str) -> list[Request]:
    """Messages with few distinct numbers, so that many of them are inconsistent."""
    descriptor = messages.pool.FindMessageTypeByName(name)
    questions = []
    for _ in range(QUESTIONS):
        message = messages.new(descriptor)
        for field in descriptor.fields:
            if field.name in ("bids", "asks"):
                for level in _levels(source, source.randint(0, 3)):
                    getattr(message, field.name).add(**level)
            elif field.type == field.TYPE_STRING and not field.is_repeated and source.random() < 0.7:
                setattr(message, field.name, source.choice(["0", "1", "1.0", "2", "3", "-1", "1e5"]))
            elif field.cpp_type in (field.CPPTYPE_ENUM, field.CPPTYPE_UINT64) and not field.is_repeated:
                setattr(message, field.name, source.randint(0, 5))
            elif field.name in ("open_time", "close_time"):
                getattr(message, field.name).seconds = source.randint(0, 1)
            elif field.name == "order":
                message.order.quantity = source.choice(["1", "2", "3.0", "x"])
        questions.append({"op": "check", "type": name, "data": _base64(message.SerializeToString())})
    return questions


def _references(source: random.Random, messages: Messages) -> list[Request]:
    """Events and facts with a listing or an asset, which some of the messages in them name and others do not."""
    references = {"native_listing", "asset_code", "in_asset_code", "quote_asset_code"}
    kinds = [item for item in messages.types if references & set(item.fields_by_name)]
    kinds.append(messages.pool.FindMessageTypeByName("cqc.events.v1.Event"))
    return [
        {
            "op": "check",
            "type": kind.full_name,
            "data": _base64(_sparse(messages, kind, source).SerializeToString()),
        }
        for kind in kinds
        # These have a check of their own, and the numbers of a sparse message are not decimals.
        if kind.name not in ("OrderBook", "ExecutionReport", "Candle")
        for _ in range(QUESTIONS // 10)
    ]


def _stated(source: random.Random, messages: Messages) -> list[Request]:
    """Whole and partial messages of every type with a mask, some of which names a field that does not exist."""
    questions = []
    for kind in messages.types:
        if "stated" not in kind.fields_by_name:
            continue
        names = [*kind.fields_by_name, "native_listing.symbol", "unknown"]
        for _ in range(QUESTIONS // 2):
            old, new = (_sparse(messages, kind, source) for _ in range(2))
            old.ClearField("stated")
            new.ClearField("stated")
            if source.random() < 0.9:
                known = source.random() < 0.9
                new.stated.paths.extend(
                    source.sample(names[:-2] if known else names, source.randint(0, len(names) - 2))
                )
            data = {"old": _base64(old.SerializeToString()), "new": _base64(new.SerializeToString())}
            questions.append({"op": "stated", "type": kind.full_name, **data})
    return questions


def _events(source: random.Random, messages: Messages) -> list[Request]:
    """Events of every kind, some of which are unknown or lack metadata."""
    event_type = _type(messages, "cqc.events.v1.Event")
    options: Any = message_factory.GetMessageClass(
        messages.pool.FindMessageTypeByName("google.protobuf.MessageOptions")
    )
    topic = messages.pool.FindExtensionByName("cqc.options.v1.topic")
    questions = []
    for field in event_type.DESCRIPTOR.oneofs_by_name["event"].fields:
        stated = options.FromString(field.message_type.GetOptions().SerializeToString()).Extensions[topic]
        for _ in range(QUESTIONS // 10):
            event = event_type()
            if source.random() < 0.9:
                getattr(event, field.name).SetInParent()
            event.metadata.topic = stated if source.random() < 0.95 else source.choice(["", "orders", "a.b"])
            event.metadata.sequence = source.choice([0, 1, source.randrange(2**64), 2**64 - 1])
            for name in ("event_id", "subject", "source", "correlation_id", "causation_id"):
                if source.random() < 0.95:
                    text = "".join(source.choices('aZ09_:-.*>/ %+~"\\\0\n\x7fé€𝄞', k=source.randint(1, 12)))
                    setattr(event.metadata, name, text)
            if source.random() < 0.95:
                seconds = source.choice(
                    [0, -1, *(source.randint(-62_135_596_800, 253_402_300_799) for _ in range(9)), 10**12]
                )
                nanos = source.choice([0, 1, 120_000_000, 123_456_000, 999_999_999, source.choice([-1, 10**9])])
                event.metadata.occurred_at.seconds, event.metadata.occurred_at.nanos = seconds, nanos
            questions.append({"op": "event", "data": _base64(event.SerializeToString())})
    return questions


def _sparse(messages: Messages, descriptor: Descriptor, source: random.Random, depth: int = 0) -> Any:
    """A message with about half of its fields, in each of which there are few values."""
    message = messages.new(descriptor)
    for field in descriptor.fields:
        if source.random() < 0.5 or (field.message_type and depth > 2):
            continue
        value = getattr(message, field.name)
        if field.message_type and field.message_type.GetOptions().map_entry:
            continue
        if field.message_type and field.is_repeated:
            value.extend(_sparse(messages, field.message_type, source, depth + 1) for _ in range(source.randint(1, 2)))
        elif field.message_type:
            value.CopyFrom(_sparse(messages, field.message_type, source, depth + 1))
            value.SetInParent()
        elif field.is_repeated:
            value.append(_small(field, source))
        else:
            setattr(message, field.name, _small(field, source))
    return message


def _small(field: FieldDescriptor, source: random.Random) -> Any:
    number = source.randint(0, 2)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        text = "x" * number
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    return bool(number) if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL else number


def _type(messages: Messages, name: str) -> Any:
    return message_factory.GetMessageClass(messages.pool.FindMessageTypeByName(name))
