"""What the packages compute, asked of all languages: they have to give the same answers.

The rules are asked with the corpus, whose expected verdicts come from the contracts; everything else with generated
questions.
"""

import base64
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from cqc_tools.foundation.errors import StageFailed
from cqc_tools.proof.corpus import NOT_DECIMAL, STRINGS, Case, Contracts, cases
from cqc_tools.proof.interop import Peer

QUESTIONS = 300


@dataclass(frozen=True)
class Agreement:
    """How many questions of one kind all languages answered alike."""

    subject: str
    asked: int
    agreed: int


def rules(peers: Sequence[Peer], descriptor_set: descriptor_pb2.FileDescriptorSet) -> list[Agreement]:
    """Ask each language for its verdict on every case of the corpus; one row per rule, valid messages are one row.

    Raises StageFailed with the first cases whose verdict, rules or paths differ between two languages, or are not what
    the case was made for.
    """
    corpus = cases(descriptor_set)
    requests = [{"op": "validate", "type": case.type, "data": _base64(case.data)} for case in corpus]
    verdicts = [peer.ask(requests) for peer in peers]
    asked: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    wrong = []
    for case, answers in zip(corpus, zip(*verdicts, strict=True), strict=True):
        subject = case.rule or "(valid)"
        asked[subject] += 1
        same = all(_violations(answer) == _violations(answers[0]) for answer in answers)
        if same and _is_expected(case, answers[0]):
            agreed[subject] += 1
        else:
            told = "; ".join(f"{peer.language}: {answer}" for peer, answer in zip(peers, answers, strict=True))
            wrong.append(f"  {case.type} {case.field or ''} expected {case.rule or 'no violation'}: {told[:1500]}")
    if wrong:
        raise StageFailed(
            "\n".join([f"{len(wrong)} of {len(corpus)} verdicts are not what they should be:", *wrong[:5]])
        )
    return [Agreement(subject, asked[subject], agreed[subject]) for subject in sorted(asked)]


def helpers(peers: Sequence[Peer], descriptor_set: descriptor_pb2.FileDescriptorSet, seed: int) -> list[Agreement]:
    """Ask each language the same questions of every helper; one row per helper.

    Raises StageFailed with the first question that was answered differently, or refused by some only.
    """
    source = random.Random(seed)
    contracts = Contracts(descriptor_set)
    subjects = {
        "can_transition": _transitions(contracts),
        "decimals": _decimals(source),
        "timestamps": _timestamps(source),
        "notional": _notionals(source, contracts),
        "display names": _names(contracts),
        "order books": _books(source, contracts),
        "check_book": _checks(source, contracts, "cqc.markets.v1.OrderBook"),
        "check_execution": _checks(source, contracts, "cqc.venues.v1.ExecutionReport"),
        "check_candle": _checks(source, contracts, "cqc.markets.v1.Candle"),
    }
    agreements = []
    for subject, requests in subjects.items():
        answered = [peer.ask(requests) for peer in peers]
        for request, answers in zip(requests, zip(*answered, strict=True), strict=True):
            told = [answer.get("data") if "error" not in answer else "refused" for answer in answers]
            if any(item != told[0] for item in told):
                lines = [f"  {peer.language}: {answer}" for peer, answer in zip(peers, answers, strict=True)]
                raise StageFailed("\n".join([f"{subject} differ (seed {seed}): {request}", *lines])[:4000])
        refused = sum("error" in answer for answer in answered[0])
        if refused == len(requests):
            raise StageFailed(f"{subject}: every question was refused, such as {answered[0][0]}")
        agreements.append(Agreement(subject, len(requests), len(requests)))
    return agreements


def _violations(answer: Any) -> list[Any]:
    """Paths and rules; the texts of protovalidate's own rules differ between its languages."""
    return sorted(item[:2] for item in answer["data"]) if "error" not in answer else [answer["error"]]


def _is_expected(case: Case, answer: Any) -> bool:
    found = [(field, rule) for field, rule, _ in answer.get("data") or []]
    return (case.field, case.rule) in found if case.rule else not found and "error" not in answer


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _transitions(contracts: Contracts) -> list[dict[str, Any]]:
    states = [*contracts.pool.FindEnumTypeByName("cqc.venues.v1.OrderStatus").values_by_number, 99]
    return [{"op": "transition", "before": before, "after": after} for before in states for after in states]


def _plain(source: random.Random, integer: int = 78, fraction: int = 38) -> str:
    """A plain decimal, often a short one."""
    whole = source.randrange(10 ** source.choice([1, 1, 3, 9, integer]))
    digits = source.choice([0, 0, 1, 2, 8, fraction])
    text = f"{whole}.{source.randrange(10**digits):0{digits}d}" if digits else str(whole)
    return f"-{text}" if source.random() < 0.2 and text.strip("0.") else text


def _decimals(source: random.Random) -> list[dict[str, Any]]:
    texts = [*STRINGS["decimal"][0], *NOT_DECIMAL, *(_plain(source) for _ in range(QUESTIONS))]
    return [{"op": "decimal", "text": text} for text in texts]


def _timestamps(source: random.Random) -> list[dict[str, Any]]:
    # What 64 bits of nanoseconds hold, which is what Go's answer is limited to.
    times = [Timestamp(), Timestamp(nanos=1), Timestamp(seconds=-1, nanos=999_999_999), Timestamp(nanos=-1)]
    times += [Timestamp(seconds=1, nanos=10**9), Timestamp(seconds=9_223_372_036), Timestamp(seconds=-9_223_372_036)]
    times += [
        Timestamp(seconds=source.randint(-9_000_000_000, 9_000_000_000), nanos=source.randrange(10**9))
        for _ in range(QUESTIONS)
    ]
    return [{"op": "nanos", "data": _base64(time.SerializeToString())} for time in times]


def _notionals(source: random.Random, contracts: Contracts) -> list[dict[str, Any]]:
    descriptor = contracts.pool.FindMessageTypeByName("cqc.venues.v1.VenueSymbol")
    questions = []
    for _ in range(QUESTIONS):
        listing = contracts.new(descriptor)
        listing.quantity_unit = source.randint(0, 3)
        if source.random() < 0.8:
            listing.contract_size = _plain(source).removeprefix("-")
            listing.contract_size_unit = source.randint(0, 3)
        price = source.choice([_plain(source), _plain(source), "1e5"])
        data = _base64(listing.SerializeToString())
        questions.append({"op": "notional", "price": price, "quantity": _plain(source), "data": data})
    return questions


def _names(contracts: Contracts) -> list[dict[str, Any]]:
    return [
        {"op": "name", "enum": enum, "value": value}
        for enum in ("OrderType", "OrderStatus", "TimeInForce")
        for value in [*contracts.pool.FindEnumTypeByName(f"cqc.venues.v1.{enum}").values_by_number, 99, -1]
    ]


def _levels(source: random.Random, count: int) -> list[dict[str, Any]]:
    levels = []
    for _ in range(count):
        price = source.choice(["9", "10", "10.0", "10.5", "10.50", "11", "100", "-1", "0.5"])
        level: dict[str, Any] = {"price": price, "quantity": source.choice(["0", "0.00", "1", "2.5", "-1"])}
        if source.random() < 0.1:
            level["order_id"] = source.choice("ab")
        if source.random() < 0.1:
            level["action"] = source.randint(1, 3)
        levels.append(level)
    return levels


def _books(source: random.Random, contracts: Contracts) -> list[dict[str, Any]]:
    snapshot_type = contracts.new(contracts.pool.FindMessageTypeByName("cqc.markets.v1.OrderBook")).__class__
    delta_type = contracts.new(contracts.pool.FindMessageTypeByName("cqc.markets.v1.OrderBookDelta")).__class__
    questions = []
    for _ in range(QUESTIONS):
        numbered = source.random() < 0.8
        sequence = 100
        snapshot = snapshot_type(
            venue_symbol_id="a:ABC",
            bids=_levels(source, 4),
            asks=_levels(source, 4),
            sequence=sequence if numbered else None,
            checksum=7,
        )
        snapshot.received_at.seconds = 1
        deltas = []
        for number in range(8):
            first = sequence + source.choice([1, 1, 1, 1, 1, 1, -3, 3])
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
                    delta.previous_sequence = sequence + source.choice([0, 0, 0, 2])
            if source.random() < 0.5:
                delta.timestamp.seconds = number
            sequence = max(sequence, last)
            deltas.append(_base64(delta.SerializeToString()))
        questions.append({"op": "book", "snapshot": _base64(snapshot.SerializeToString()), "deltas": deltas})
    return questions


def _checks(source: random.Random, contracts: Contracts, name: str) -> list[dict[str, Any]]:
    """Facts with few different numbers, so that they often do not fit together."""
    descriptor = contracts.pool.FindMessageTypeByName(name)
    questions = []
    for _ in range(QUESTIONS):
        fact = contracts.new(descriptor)
        for field in descriptor.fields:
            if field.name in ("bids", "asks"):
                for level in _levels(source, source.randint(0, 3)):
                    getattr(fact, field.name).add(**level)
            elif field.type == field.TYPE_STRING and not field.is_repeated and source.random() < 0.7:
                setattr(fact, field.name, source.choice(["0", "1", "1.0", "2", "3", "-1", "1e5"]))
            elif field.cpp_type in (field.CPPTYPE_ENUM, field.CPPTYPE_UINT64) and not field.is_repeated:
                setattr(fact, field.name, source.randint(0, 5))
            elif field.name in ("open_time", "close_time"):
                getattr(fact, field.name).seconds = source.randint(0, 1)
            elif field.name == "order":
                fact.order.quantity = source.choice(["1", "2", "3.0", "x"])
        questions.append({"op": "check", "type": name, "data": _base64(fact.SerializeToString())})
    return questions
