"""Values and messages that meet the rules of CQC's contracts, and others that break them.

corpus.py makes messages from them.
"""

LONG = "9" * 78 + "." + "9" * 38
NOT_DECIMAL = [
    *("", "-0", "-0.00", "01", "1.", ".5", "1e-8", "1E5", "+1", " 1", "1\n", "1,5", "NaN", "Infinity", "0x10", "--1"),
    *("\u0661", "\uff11", "9" * 79, "0." + "0" * 39),
]
UUID = "123e4567-e89b-12d3-a456-426614174000"
# Strings that meet a rule and strings that break it, by the name of the rule.
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
# The same by regular expression.
PATTERNS: dict[str, tuple[list[str], list[str]]] = {
    "^[A-Z0-9]{4}$": (["XNAS", "0000"], ["", "xnas", "XNA", "XNASD", "XNAS\n"]),
    "^[A-Z]{2}$": (["DE", "US"], ["", "de", "DEU", "D1"]),
    "^cqc[.][a-z]+[.]v[0-9]+[.][A-Za-z0-9]+$": (
        ["cqc.assets.v1.Asset", "cqc.a.v10.B2"],
        ["", "Asset", "cqc.Assets.v1.A"],
    ),
}
# Fields that a message needs in addition to its required ones, in text format.
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
# Rules over several fields: the message type, then fields that meet the rule and fields that break it.
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
