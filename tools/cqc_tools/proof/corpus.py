"""Valid and invalid messages, made from the rules that the contracts state: each rule met at its bounds, and broken.

A message is built that keeps to every rule with as little as it can; each case then changes one field of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, message_factory, text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from cqc_tools.foundation.errors import StageFailed
from cqc_tools.proof.interop import message_types

LONG = "9" * 78 + "." + "9" * 38
NOT_DECIMAL = [
    *("", "-0", "-0.00", "01", "1.", ".5", "1e-8", "1E5", "+1", " 1", "1\n", "1,5", "NaN", "Infinity", "0x10", "--1"),
    *("\u0661", "\uff11", "9" * 79, "0." + "0" * 39),
]
UUID = "123e4567-e89b-12d3-a456-426614174000"
# Texts that keep to a rule and texts that break it, by the name of the rule.
STRINGS: dict[str, tuple[list[str], list[str]]] = {
    "decimal": (["0", "0.0", "1.50", "-1", "-0.1", LONG, f"-{LONG}"], NOT_DECIMAL),
    "decimal_non_negative": (["0", "0.00", "0.1", LONG], [*NOT_DECIMAL, "-1", "-0.1"]),
    "decimal_positive": (["1", "0.01", LONG, "0." + "0" * 37 + "1"], [*NOT_DECIMAL, "0", "0.00", "-1"]),
    "uint256": (["0", "1", "9" * 78], ["", "-1", "01", "1.0", "1e5", "9" * 79, "0x1"]),
    "asset_id": (["A", "USDC_ARBITRUM", "1" * 20 + "_" + "Z" * 20], ["", "btc", "_A", "A_", "A" * 21, "A_B_C", "A-B"]),
    "asset_reference": (["BTC", "BTC-USD", "A_B-C_D"], ["", "btc-USD", "BTC-", "-USD", "BTC-USD-EUR", "BTC/USD"]),
    "symbol_id": (
        [
            *("BTC-USDT-SPOT", "BTC-USDT-MARGIN", "ETH-USD-PERP-USDC", "BTC-USD-FUT-BTC-20241227"),
            *("BTC-USD-FUT-BTC-20241227T0800", "BTC-USD-OPT-BTC-20241025-3000-C", "SOL-USD-OPT-SOL-20241025-0d5-P"),
            *("COMBO-ABCD", "COMBO-" + "Z" * 40),
        ],
        [
            *("", "BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-PERP", "BTC-USD-FUT-BTC-2024", "BTC-USD-OPT-BTC-20241025-03-C"),
            *("BTC-USD-OPT-BTC-20241025-3000-X", "COMBO-ABC", "COMBO-" + "Z" * 41, "btc-usdt-SPOT", "BTC.USDT-SPOT"),
        ],
    ),
    "venue_id": (
        ["binance", "uniswap_v3_ethereum", "a_b_c_d"],
        ["", "Binance", "a__b", "_a", "a_", "a_b_c_d_e", "a-b"],
    ),
    "venue_symbol_id": (
        [
            *("binance:BTC-USDT-SPOT", "uniswap_v3_ethereum:WETH-USDC-SPOT:0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640"),
            *("a:ABC", "a:" + "A" * 96, "a:ABC:" + "f" * 66),
        ],
        [
            "",
            "binance",
            "binance:",
            "binance:AB",
            "Binance:BTC-USDT-SPOT",
            "a:" + "A" * 97,
            "a:ABC:",
            "a:ABC:" + "f" * 67,
        ],
    ),
    "caip2": (
        ["eip155:1", "bip122:000000000019d6689c085ae165831e93", "abc:_"],
        ["", "eip155", "ab:1", "eip155:", "a" * 9 + ":1"],
    ),
    "caip10": (
        ["eip155:1:0xab16a96d359ec26a11e2c2b3d8f8b8942d5bfcdb", "cosmos:cosmoshub-3:cosmos1T"],
        ["", "eip155:1", "eip155:1:", "eip155:1:0xAB16a96d359ec26a11e2c2b3d8f8b8942d5bfcdb", "abc:1:" + "a" * 129],
    ),
    "caip19": (
        ["eip155:1/slip44:60", "eip155:1/erc20:0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "abc:1/nft:1/771769"],
        ["", "eip155:1", "eip155:1/erc20", "eip155:1/erc20:0xC02AAA39b223fe8d0a0e5c4f27ead9083c756cc2", "abc:1/n:1"],
    ),
    "uuid": ([UUID, UUID.upper(), "0" * 8 + "-0000" * 3 + "-" + "0" * 12], ["x", UUID[:-1], UUID.replace("-", "")]),
}
PATTERNS: dict[str, tuple[list[str], list[str]]] = {
    "^[A-Z0-9]{4}$": (["XNAS", "0000"], ["", "xnas", "XNA", "XNASD", "XNAS\n"]),
    "^[A-Z]{2}$": (["DE", "US"], ["", "de", "DEU", "D1"]),
    "^cqc[.][a-z]+[.]v[0-9]+[.][A-Za-z0-9]+$": (
        ["cqc.assets.v1.Asset", "cqc.a.v10.B2"],
        ["", "Asset", "cqc.Assets.v1.A"],
    ),
}
# What a message needs beyond its fields' own rules, and what rules over several fields allow and forbid: the messages
# replace the fields that they name.
BASES = {
    "cqc.services.v1.NewOrder": 'type: ORDER_TYPE_LIMIT price: "1" quantity: "1"',
    "cqc.services.v1.ReplaceOrderRequest": 'price: "1"',
    "cqc.services.v1.CreateTransferRequest": 'to_account_id: "y"',
    "cqc.services.v1.CreateRiskLimitRequest": "limit { metric: 1 action: 1 }",
    "cqc.services.v1.UpdateRiskLimitRequest": "limit { metric: 1 action: 1 }",
}
MARKET = 'type: ORDER_TYPE_MARKET quantity: "1"'
STOP = 'type: ORDER_TYPE_STOP trigger_price: "1" quantity: "1"'
STOP_LIMIT = 'type: ORDER_TYPE_STOP_LIMIT trigger_price: "1" price: "1" quantity: "1"'
TRAILING = 'type: ORDER_TYPE_TRAILING_STOP trailing_offset: "1" trailing_offset_kind: 1 quantity: "1"'
LIMIT = BASES["cqc.services.v1.NewOrder"]
STRIKE, CALL, EXPIRY = ' strike: "3000"', " option_type: OPTION_TYPE_CALL", " expiry { seconds: 1 }"
CELS: dict[str, tuple[str, list[str], list[str]]] = {
    "new_order.limit_price": (
        "cqc.services.v1.NewOrder",
        [LIMIT, STOP_LIMIT, 'type: ORDER_TYPE_LIMIT price_match: PRICE_MATCH_QUEUE quantity: "1"'],
        ['type: ORDER_TYPE_LIMIT quantity: "1"', 'type: ORDER_TYPE_TAKE_PROFIT_LIMIT trigger_price: "1" quantity: "1"'],
    ),
    "new_order.market_price": (
        "cqc.services.v1.NewOrder",
        [MARKET, STOP],
        [MARKET + ' price: "1"', STOP + ' price: "1"'],
    ),
    "new_order.trigger": (
        "cqc.services.v1.NewOrder",
        [STOP, STOP_LIMIT, 'type: ORDER_TYPE_TAKE_PROFIT trigger_price: "1" quantity: "1"'],
        ['type: ORDER_TYPE_STOP quantity: "1"', 'type: ORDER_TYPE_STOP_LIMIT price: "1" quantity: "1"'],
    ),
    "new_order.no_trigger": ("cqc.services.v1.NewOrder", [LIMIT, STOP], [LIMIT + ' trigger_price: "1"']),
    "new_order.trailing": (
        "cqc.services.v1.NewOrder",
        [TRAILING],
        [
            LIMIT + ' trailing_offset: "1" trailing_offset_kind: 1',
            'type: ORDER_TYPE_TRAILING_STOP quantity: "1"',
            'type: ORDER_TYPE_TRAILING_STOP trailing_offset: "1" quantity: "1"',
            LIMIT + " trailing_offset_kind: 1",
        ],
    ),
    "new_order.good_til": (
        "cqc.services.v1.NewOrder",
        [
            LIMIT + " time_in_force: TIME_IN_FORCE_GTD good_til_time { seconds: 1 }",
            LIMIT + " time_in_force: TIME_IN_FORCE_GTD good_til_block: 1",
        ],
        [
            LIMIT + " time_in_force: TIME_IN_FORCE_GTD",
            LIMIT + " good_til_time { seconds: 1 }",
            LIMIT + " good_til_block: 1",
        ],
    ),
    "new_order.close_position": (
        "cqc.services.v1.NewOrder",
        ['type: ORDER_TYPE_STOP trigger_price: "1" close_position: true'],
        ['type: ORDER_TYPE_LIMIT price: "1" close_position: true', "type: ORDER_TYPE_MARKET close_position: true"],
    ),
    "new_order.quote_quantity": (
        "cqc.services.v1.NewOrder",
        ['type: ORDER_TYPE_MARKET quote_quantity: "1"'],
        ['type: ORDER_TYPE_LIMIT price: "1" quote_quantity: "1"'],
    ),
    "new_order.price_match": (
        "cqc.services.v1.NewOrder",
        ['type: ORDER_TYPE_LIMIT price_match: 1 quantity: "1"', 'type: ORDER_TYPE_PEGGED price_match: 1 quantity: "1"'],
        [LIMIT + " price_match: 1", MARKET + " price_match: 1"],
    ),
    "new_order.post_only": (
        "cqc.services.v1.NewOrder",
        [LIMIT + " post_only: true", MARKET + " post_only: false"],
        [MARKET + " post_only: true", LIMIT + " post_only: true time_in_force: TIME_IN_FORCE_IOC"],
    ),
    "new_order.activation_price": (
        "cqc.services.v1.NewOrder",
        [TRAILING + ' activation_price: "1"'],
        [LIMIT + ' activation_price: "1"'],
    ),
    "new_order.trigger_kind": (
        "cqc.services.v1.NewOrder",
        [STOP + " trigger_kind: TRIGGER_KIND_MARK", TRAILING + " trigger_kind: TRIGGER_KIND_LAST"],
        [LIMIT + " trigger_kind: TRIGGER_KIND_MARK"],
    ),
    "create_symbol.option_terms": (
        "cqc.services.v1.CreateSymbolRequest",
        [f"symbol {{ type: SYMBOL_TYPE_OPTION {STRIKE} {CALL} {EXPIRY} }}"],
        [
            f"symbol {{ type: SYMBOL_TYPE_OPTION {terms} }}"
            for terms in ("", STRIKE + CALL, STRIKE + EXPIRY, CALL + EXPIRY)
        ],
    ),
    "create_symbol.future_expiry": (
        "cqc.services.v1.CreateSymbolRequest",
        ["symbol { type: SYMBOL_TYPE_FUTURE expiry { seconds: 1 } }"],
        ["symbol { type: SYMBOL_TYPE_FUTURE }"],
    ),
    "create_symbol.perpetual_expiry": (
        "cqc.services.v1.CreateSymbolRequest",
        ["symbol { type: SYMBOL_TYPE_PERPETUAL }"],
        ["symbol { type: SYMBOL_TYPE_PERPETUAL expiry { seconds: 1 } }"],
    ),
    "replace_order.nothing": (
        "cqc.services.v1.ReplaceOrderRequest",
        ['price: "1"', 'quantity: "1"', 'trigger_price: "1"'],
        [""],
    ),
    "create_transfer.accounts": (
        "cqc.services.v1.CreateTransferRequest",
        ['to_account_id: "y"'],
        ['to_account_id: "x"'],
    ),
    "create_risk_limit.metric_and_action": (
        "cqc.services.v1.CreateRiskLimitRequest",
        ["limit { metric: 1 action: 1 }"],
        ["limit { metric: 1 }", "limit { action: 1 }", "limit { }"],
    ),
    "update_risk_limit.metric_and_action": (
        "cqc.services.v1.UpdateRiskLimitRequest",
        ["limit { metric: 1 action: 1 }"],
        ["limit { metric: 1 }", "limit { action: 1 }"],
    ),
    "set_trading_state.cancel_open_orders": (
        "cqc.services.v1.SetTradingStateRequest",
        ["state: 3 cancel_open_orders: true", "state: 1"],
        ["state: 1 cancel_open_orders: true"],
    ),
}


@dataclass(frozen=True)
class Case:
    """A message, and the rule that it breaks with the path of the field; both are None for a valid one."""

    type: str
    data: bytes
    rule: str | None
    field: str | None


@dataclass(frozen=True)
class Change:
    """A value for a field, and the id of the rule that it breaks, with what follows the field's name in the path."""

    value: Any
    rule: str | None = None
    suffix: str = ""


class Contracts:
    """The contracts' messages with their rules, in a descriptor pool of their own."""

    def __init__(self, descriptor_set: descriptor_pb2.FileDescriptorSet) -> None:
        self.types = message_types(descriptor_set)
        self.pool = self.types[0].file.pool

    @cache  # noqa: B019 there is one of these, for as long as the cases are made
    def rules(self, of: FieldDescriptor | Descriptor | OneofDescriptor) -> Any:
        """The buf.validate options of a field, message or oneof."""
        kind = {FieldDescriptor: "field", Descriptor: "message", OneofDescriptor: "oneof"}
        name = next(name for known, name in kind.items() if isinstance(of, known))
        options: Any = message_factory.GetMessageClass(
            self.pool.FindMessageTypeByName(f"google.protobuf.{name.capitalize()}Options")
        )
        extension = self.pool.FindExtensionByName(f"buf.validate.{name}")
        return options.FromString(of.GetOptions().SerializeToString()).Extensions[extension]

    def new(self, descriptor: Descriptor) -> Any:
        """An empty message."""
        return message_factory.GetMessageClass(descriptor)()

    def minimal(self, descriptor: Descriptor, base: str | None = None) -> Any:
        """A message that keeps to all rules with as few fields as it can; `base` stands in for the usual one."""
        message = self.new(descriptor)
        if not descriptor.full_name.startswith("cqc."):
            return message
        for field in descriptor.fields:
            if field.containing_oneof:
                continue
            changes = self.changes(field)
            needed = any(change.rule for change in changes if _is_default(field, change.value))
            if self.rules(field).required and field.message_type and not field.is_repeated:
                getattr(message, field.name).CopyFrom(self.minimal(field.message_type))
            elif needed or self.rules(field).required:
                valid = next(change for change in changes if not change.rule and not _is_default(field, change.value))
                _set(message, field, valid.value)
        text = BASES.get(descriptor.full_name, "") if base is None else base
        given = text_format.Parse(text, self.new(descriptor))
        for oneof in descriptor.oneofs:
            if self.rules(oneof).required and not given.WhichOneof(oneof.name):
                field = oneof.fields[0]
                if field.message_type:
                    getattr(message, field.name).CopyFrom(self.minimal(field.message_type))
                    getattr(message, field.name).SetInParent()
                for change in [change for change in self.changes(field) if not change.rule][:1]:
                    _set(message, field, change.value)
        message.MergeFrom(given)
        return message

    def changes(self, field: FieldDescriptor) -> list[Change]:
        """Values for a field: at the bounds of its rules, and beyond them."""
        rules = self.rules(field)
        if field.is_repeated:
            return self._lists(field, rules.repeated)
        return self._values(field, rules)

    def _values(self, field: FieldDescriptor, rules: Any) -> list[Change]:
        match rules.WhichOneof("type"):
            case None:
                return []
            case "string":
                return self._strings(rules.string)
            case "enum":
                assert field.enum_type
                return self._enums(rules.enum, [value.number for value in field.enum_type.values])
            case "bool":
                return [Change(rules.bool.const), Change(not rules.bool.const, "bool.const")]
            case "duration":
                assert field.message_type
                return self._durations(rules.duration, self.new(field.message_type).__class__)
            case kind:
                return _numbers(kind, getattr(rules, kind))

    def _strings(self, rules: Any) -> list[Change]:
        changes = []
        for rule, limit in rules.ListFields():
            if rule.name == "min_len":
                changes += [Change("x" * limit), Change("x" * (limit - 1), "string.min_len")]
            elif rule.name == "max_len":
                changes += [Change("x" * limit), Change("x" * (limit + 1), "string.max_len"), Change("é" * limit)]
            elif rule.name == "decimal_max_scale":
                changes += [Change(f"1.{'1' * limit}"), Change(f"1.{'1' * (limit + 1)}", "string.decimal_max_scale")]
            elif rule.name == "pattern":
                valid, invalid = PATTERNS[limit]
                changes += [Change(text) for text in valid] + [Change(text, "string.pattern") for text in invalid]
            else:
                valid, invalid = STRINGS[rule.name]
                changes += [Change(text) for text in valid]
                changes += [Change(text, f"string.{rule.name}") for text in invalid]
                if rule.name == "uuid":
                    changes.append(Change("", "string.uuid_empty"))
        scale = next((limit for rule, limit in rules.ListFields() if rule.name == "decimal_max_scale"), None)
        if scale is None:
            return changes
        # What the rules beside it allow may have more digits.
        return [change for change in changes if change.rule or len(change.value.partition(".")[2]) <= scale]

    def _enums(self, rules: Any, numbers: list[int]) -> list[Change]:
        changes = [Change(number) for number in numbers if number not in rules.not_in]
        changes += [Change(number, "enum.not_in") for number in rules.not_in]
        return changes + ([Change(99_999, "enum.defined_only")] if rules.defined_only else [])

    def _durations(self, rules: Any, duration: Any) -> list[Change]:
        zero, more, less = duration(), duration(nanos=1), duration(nanos=-1)
        if rules.HasField("gt"):
            return [Change(more), Change(zero, "duration.gt"), Change(less, "duration.gt")]
        return [Change(zero), Change(less, "duration.gte")]

    def _lists(self, field: FieldDescriptor, rules: Any) -> list[Change]:
        items = self._values(field, rules.items) if rules.HasField("items") else []
        changes = [Change([item.value], item.rule, "[0]" if item.rule else "") for item in items]
        if rules.HasField("min_items"):
            changes.append(Change(self._some(field, rules.min_items, rules.items)))
            changes.append(Change([], "repeated.min_items"))
        if rules.HasField("max_items"):
            changes.append(Change(self._some(field, rules.max_items, rules.items)))
            changes.append(Change(self._some(field, rules.max_items + 1, rules.items), "repeated.max_items"))
        if rules.unique:
            one = self._some(field, 1, rules.items)
            changes.append(Change([*one, *one], "repeated.unique"))
        return changes

    def _some(self, field: FieldDescriptor, count: int, rules: Any) -> list[Any]:
        """Different valid elements."""
        if field.message_type:
            return [self.minimal(field.message_type) for _ in range(count)]
        if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_ENUM):
            return list(range(1, count + 1))
        names = {rule.name for rule, _ in rules.string.ListFields()} if rules.HasField("string") else set()
        stem = "a:ABC" if "venue_symbol_id" in names else "A"
        if rules.string.pattern:
            return PATTERNS[rules.string.pattern][0][:count]
        return [f"{stem}{number}" for number in range(count)]


def cases(descriptor_set: descriptor_pb2.FileDescriptorSet) -> list[Case]:
    """All cases of all messages.

    Raises StageFailed naming a rule over several fields for which there are no cases.
    """
    contracts = Contracts(descriptor_set)
    found = [case for descriptor in contracts.types for case in _of_message(contracts, descriptor)]
    stated = {cel.id for descriptor in contracts.types for cel in contracts.rules(descriptor).cel}
    for missing in sorted(stated ^ CELS.keys()):
        raise StageFailed(f"tools/cqc_tools/proof/corpus.py and the contracts differ about the rule {missing}")
    for rule, (name, valid, invalid) in CELS.items():
        descriptor = contracts.pool.FindMessageTypeByName(name)
        for text in valid:
            found.append(_case(contracts.minimal(descriptor, text)))
        for text in invalid:
            found.append(_case(contracts.minimal(descriptor, text), rule, ""))
    return found


def _of_message(contracts: Contracts, descriptor: Descriptor) -> Iterator[Case]:
    yield _case(contracts.minimal(descriptor))
    for oneof in descriptor.oneofs:
        if contracts.rules(oneof).required:
            message = contracts.minimal(descriptor)
            message.ClearField(message.WhichOneof(oneof.name))
            yield _case(message, "required", oneof.name)
    for field in descriptor.fields:
        if contracts.rules(field).required:
            message = contracts.minimal(descriptor)
            message.ClearField(field.name)
            yield _case(message, "required", field.name)
        if field.message_type and not field.is_repeated and field.message_type.full_name.startswith("cqc."):
            yield from _nested(contracts, descriptor, field)
        for change in contracts.changes(field):
            # A value that breaks rules over several fields too belongs to those.
            if descriptor.full_name in BASES and _alternative(field):
                continue
            message = contracts.minimal(descriptor)
            if not change.rule and _changes_meaning(descriptor, field, change.value):
                continue
            _set(message, field, change.value)
            yield _case(message, change.rule, field.name + change.suffix)


def _nested(contracts: Contracts, descriptor: Descriptor, field: FieldDescriptor) -> Iterator[Case]:
    """A message inside another: the path leads to it."""
    assert field.message_type
    inner = contracts.new(field.message_type)
    for inner_field in field.message_type.fields:
        rules = contracts.rules(inner_field)
        if rules.required and not inner_field.containing_oneof:
            message = contracts.minimal(descriptor)
            if not field.containing_oneof:
                getattr(message, field.name).CopyFrom(inner)
                getattr(message, field.name).SetInParent()
                yield _case(message, "required", f"{field.name}.{inner_field.name}")
            return


def _alternative(field: FieldDescriptor) -> bool:
    """Whether a field is one of several of which one is set; `optional` alone makes a oneof of one field."""
    return field.containing_oneof is not None and not field.containing_oneof.name.startswith("_")


def _changes_meaning(descriptor: Descriptor, field: FieldDescriptor, value: Any) -> bool:
    """Whether a valid value of a field has others ask for more: those combinations are in CELS."""
    return any(cel_type == descriptor.full_name for cel_type, _, _ in CELS.values()) and (
        field.cpp_type == FieldDescriptor.CPPTYPE_ENUM
        or field.name in ("trigger_price", "trailing_offset", "activation_price", "to_account_id")
        or (field.name == "from_account_id" and value != "x")
    )


def _case(message: Message, rule: str | None = None, field: str | None = None) -> Case:
    data = message.SerializePartialToString(deterministic=True)
    return Case(message.DESCRIPTOR.full_name, data, rule, field if rule else None)


def _numbers(kind: str, rules: Any) -> list[Change]:
    stated = {rule.name: limit for rule, limit in rules.ListFields()}
    step: float = 1 if kind != "double" else 0.5
    changes = []
    bounds = {"gt", "gte", "lt", "lte"} & stated.keys()
    rule = f"{kind}.{'_'.join(sorted(bounds))}"
    if "gte" in stated:
        changes.append(Change(stated["gte"]))
        if kind[0] != "u" or stated["gte"]:
            changes.append(Change(stated["gte"] - step, rule))
    if "gt" in stated:
        changes += [Change(stated["gt"] + step), Change(stated["gt"], rule)]
    if "lte" in stated:
        changes += [Change(stated["lte"]), Change(stated["lte"] + step, rule)]
    if stated.get("finite"):
        changes += [Change(2.5)]
        changes += [Change(float(text), "double.finite") for text in ("nan", "inf", "-inf")]
    return changes


def _is_default(field: FieldDescriptor, value: Any) -> bool:
    if field.is_repeated:
        return not value
    return not field.has_presence and not field.message_type and value == field.default_value


def _set(message: Any, field: FieldDescriptor, value: Any) -> None:
    if field.is_repeated:
        message.ClearField(field.name)
        getattr(message, field.name).extend(value)
    elif field.message_type:
        getattr(message, field.name).CopyFrom(value)
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, value)
