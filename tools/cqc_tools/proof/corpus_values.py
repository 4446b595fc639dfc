"""Values and messages that meet the rules of CQC's contracts, and others that break them.

corpus.py makes messages from them.
"""

LONG = "9" * 78 + "." + "9" * 38
NOT_DECIMAL = [
    *("", "-0", "-0.00", "01", "1.", ".5", "1e-8", "1E5", "+1", " 1", "1\n", "1,5", "NaN", "Infinity", "0x10", "--1"),
    *("\u0661", "\uff11", "9" * 79, "0." + "0" * 39),
]
UUID = "123e4567-e89b-12d3-a456-426614174000"
# An asset id, a venue id and a symbol id of the greatest length.
LONG_ASSET = "A" * 32 + "_" + "B" * 31
LONG_VENUE = "a" * 32 + "_" + "b" * 31
LONG_SYMBOL = f"{LONG_ASSET}-{LONG_ASSET}-PERP-{'C' * 25}"
FUTURE, OPTION = "BTC-USD-FUT-BTC-", "BTC-USD-OPT-BTC-20241025-"
SYMBOLS = [
    # One of each kind comes first, because rules over several fields are tried with these.
    *("BTC-USDT-SPOT", "BTC-USDT-MARGIN", "BTC-USDT-PERP-USDT", "BTC-USDT-FUT-USDT-20241227"),
    *("BTC-USDT-OPT-USDT-20241227-3000-C", "BTC-USDT-INDEX", "EVENT-ABCD-USDT", "COMBO-ABCD"),
    *("ETH-USD-PERP-USDC", "1000SHIB-USDT-PERP-USDT", "A_B_C-D_E_F-SPOT"),
    *(f"{FUTURE}20241227", f"{FUTURE}20241227T1200", f"{FUTURE}20241227T120030", f"{FUTURE}20240101T000000"),
    *(f"{FUTURE}20241231T235959", f"{FUTURE}20240230", f"{FUTURE}00000101", f"{FUTURE}99991010T0959"),
    *(f"{OPTION}3000-C", f"{OPTION}0d5-P", f"{OPTION}0d05-C", f"{OPTION}3000d25-P", f"{OPTION}1d1-C", f"{OPTION}10-P"),
    *(f"{OPTION}{'9' * 20}-C", f"{OPTION}0d{'0' * 17}1-C", f"{OPTION}{'1' * 20}d{'1' * 18}-P"),
    *("BTC-BTC-OPT-BTC-20241025T1200-3000-C", "SOL-USDC-OPT-USDC_SOLANA-20241025T120001-150-P"),
    *("BTC-USD-INDEX", "BTC-USD-INDEX-DVOL", "BTC-USD-INDEX-" + "A" * 20, "DEFI-USD-INDEX-1"),
    *("EVENT-ABCD-USDC", "EVENT-" + "Z" * 64 + "-USDC", "EVENT-0000-A_B_C"),
    *("COMBO-" + "Z" * 64, "COMBO-0123456789ABCDEF0123456789ABCDEF", LONG_SYMBOL),
]
NOT_SYMBOLS = [
    *("", "BTC", "BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-PERP", "BTC-USD-PERP-", "btc-usdt-SPOT", "BTC.USDT-SPOT"),
    *("BTC-USDT-SPOT-", "BTC-USDT-SPOT-USDT", "-USDT-SPOT", "BTC--SPOT", "BTC-USDT-SPOT\n", "BTC-USDT-SPOT "),
    *("A_B_C_D-USDT-SPOT", "A" * 33 + "-USDT-SPOT", "_A-USDT-SPOT", "A_-USDT-SPOT", "BTC-USDT-spot"),
    *(f"{FUTURE}2024", f"{FUTURE}20241301", f"{FUTURE}20240001", f"{FUTURE}20241232", f"{FUTURE}20241200"),
    *(f"{FUTURE}20241227T2400", f"{FUTURE}20241227T1260", f"{FUTURE}20241227T12", f"{FUTURE}20241227T120060"),
    *(f"{FUTURE}20241227T12000", f"{FUTURE}20241227t1200", f"{FUTURE}20241227T", f"{FUTURE}2024122\uff17"),
    *(f"{OPTION}03-C", f"{OPTION}0-C", f"{OPTION}0d0-C", f"{OPTION}0d-C", f"{OPTION}d5-C", f"{OPTION}3000d0-C"),
    *(f"{OPTION}3000d10-C", f"{OPTION}3000.5-C", f"{OPTION}3000-X", f"{OPTION}3000", f"{OPTION}-C", f"{OPTION}3000-c"),
    *(f"{OPTION}{'9' * 21}-C", f"{OPTION}0d{'0' * 18}1-C", "BTC-USD-OPT-20241025-3000-C"),
    *("BTC-USD-INDEX-", "BTC-USD-INDEX-dvol", "BTC-USD-INDEX-" + "A" * 21, "BTC-INDEX"),
    *("EVENT-ABC-USDC", "EVENT-ABCD", "EVENT-" + "Z" * 65 + "-USDC", "EVENT-ABCD-USDC-X", "EVENT-abcd-USDC"),
    *("COMBO-ABC", "COMBO-" + "Z" * 65, "COMBO-abcd", "COMBO-AB_CD", "COMBO-", LONG_SYMBOL + "C"),
]
# Strings that meet a rule and strings that break it, by the name of the rule.
STRINGS: dict[str, tuple[list[str], list[str]]] = {
    "decimal": (["0", "0.0", "1.50", "-1", "-0.1", LONG, f"-{LONG}"], NOT_DECIMAL),
    "decimal_non_negative": (["0", "0.00", "0.1", LONG], [*NOT_DECIMAL, "-1", "-0.1"]),
    "decimal_positive": (["1", "0.01", LONG, "0." + "0" * 37 + "1"], [*NOT_DECIMAL, "0", "0.00", "-1"]),
    "uint256": (
        ["0", "1", "9" * 77, "1" + "0" * 77, str(2**256 - 1)],
        ["", "-1", "01", "1.0", "1e5", str(2**256), "9" * 78, "9" * 79, "0x1", "1\n"],
    ),
    "asset_id": (
        ["A", "BTC", "USDT", "USDC_ARBITRUM", "1000SATS", "A_B_C", "1" * 32, LONG_ASSET],
        ["", "btc", "_A", "A_", "A__B", "A" * 33, "A_B_C_D", "A-B", "A ", "A\n", "\uff21", LONG_ASSET + "Z"],
    ),
    "asset_reference": (
        ["BTC", "BTC-USD", "A_B-C_D", "A_B_C-D_E_F", f"{LONG_ASSET}-{LONG_ASSET}"],
        [
            *("", "btc-USD", "BTC-", "-USD", "BTC-USD-EUR", "BTC/USD", "A_B_C_D-USD", "A" * 33, "BTC--USD"),
            f"{LONG_ASSET}Z-USD",
        ],
    ),
    "symbol_id": (SYMBOLS, NOT_SYMBOLS),
    "venue_id": (
        ["binance", "uniswap_v3_ethereum", "a_b_c_d_e_f_g_h", "0x", "a" * 32, LONG_VENUE],
        ["", "Binance", "a__b", "_a", "a_", "a_b_c_d_e_f_g_h_i", "a-b", "a" * 33, LONG_VENUE + "c", "a\n"],
    ),
    "venue_symbol_id": (
        [
            *("binance:BTC-USDT-SPOT", "uniswap_v3_ethereum:WETH-USDC-SPOT:0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640"),
            *("a:COMBO-ABCD:Ab1", "a:COMBO-ABCD:0XA", "a:COMBO-ABCD:" + "f" * 66, f"{LONG_VENUE}:{LONG_SYMBOL}"),
            *(f"a:{symbol}" for symbol in SYMBOLS),
        ],
        [
            *("", "binance", "binance:", "Binance:BTC-USDT-SPOT", "BTC-USDT-SPOT", ":BTC-USDT-SPOT", "a:ABC"),
            *("a:COMBO-ABCD:", "a:COMBO-ABCD:" + "f" * 67, "a:COMBO-ABCD:0xAb", "a:COMBO-ABCD:a:b", "a:COMBO-ABCD:a-b"),
            *("a:b:COMBO-ABCD", f"{LONG_VENUE}c:COMBO-ABCD", "a_b_c_d_e_f_g_h_i:COMBO-ABCD", "a: COMBO-ABCD"),
            *(f"a:{symbol}" for symbol in NOT_SYMBOLS),
        ],
    ),
    "client_id": (
        ["a", "0", "A-_.:9", "a" * 64, UUID],
        ["", "_a", "-a", ".a", ":a", "a b", "a/b", "a*", "a\n", "\xe9", "a" * 65],
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
    "^[a-z][a-z0-9_]{0,63}$": (["a", "orders", "a_1", "z" * 64], ["", "Orders", "_a", "1a", "a-b", "z" * 65, "a\n"]),
    "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$": (
        ["a", "0", "A-_.:9", "a" * 64],
        ["", "_a", "-a", ".a", ":a", "a b", "a*", "a\n", "\xe9", "a" * 65],
    ),
    "^cqc[.][a-z]+[.]v[0-9]+[.][A-Za-z0-9]+$": (
        ["cqc.assets.v1.Asset", "cqc.a.v10.B2"],
        ["", "Asset", "cqc.Assets.v1.A"],
    ),
}
# Distinct strings that meet a rule, by the name of the rule or its regular expression.
SHAPES = {
    "venue_symbol_id": "a:COMBO-{:04d}",
    "uuid": "123e4567-e89b-12d3-a456-{:012d}",
    "^[a-z][a-z0-9_]{0,63}$": "a{}",
    "symbol_id": "COMBO-{:04d}",
    "venue_id": "a{}",
    "caip2": "eip155:{}",
    "caip10": "eip155:1:0x{:040d}",
    "caip19": "eip155:1/slip44:{}",
    **dict.fromkeys(("decimal", "decimal_non_negative", "decimal_positive", "uint256"), "{}"),
}
# Fields that a message needs in addition to its required ones, in text format, where trying values does not find them.
BASES: dict[str, str] = {}
LIMIT = 'type: ORDER_TYPE_LIMIT price: "1" quantity: "1"'
MARKET = 'type: ORDER_TYPE_MARKET quantity: "1"'
STOP = 'type: ORDER_TYPE_STOP trigger_price: "1" quantity: "1"'
STOP_LIMIT = 'type: ORDER_TYPE_STOP_LIMIT trigger_price: "1" price: "1" quantity: "1"'
TRAILING = 'type: ORDER_TYPE_TRAILING_STOP trailing_offset: "1" trailing_offset_kind: 1 quantity: "1"'
BUY_STOP = STOP + " side: ORDER_SIDE_BUY trigger_direction: TRIGGER_DIRECTION_"
PEGGED = 'type: ORDER_TYPE_PEGGED peg_kind: PEG_KIND_MID quantity: "1"'
STOP_LOSS = "kind: ATTACHED_ORDER_KIND_STOP_LOSS"
TRAILED = 'kind: ATTACHED_ORDER_KIND_TRAILING_STOP trailing_offset: "1" trailing_offset_kind: 1'
PAIR = 'base_asset_id: "BTC" quote_asset_id: "USD"'
SPOT = f'type: SYMBOL_TYPE_SPOT symbol_id: "BTC-USD-SPOT" {PAIR}'
PERPETUAL = f'type: SYMBOL_TYPE_PERPETUAL symbol_id: "BTC-USD-PERP-USDC" {PAIR} settlement_asset_id: "USDC" payoff: 1'
FUTURE_TERMS = 'settlement_asset_id: "BTC" payoff: 1 expiry { seconds: 1 }'
FUTURE_SYMBOL = f'type: SYMBOL_TYPE_FUTURE symbol_id: "BTC-USD-FUT-BTC-20241227" {PAIR} {FUTURE_TERMS}'
OPTION_TERMS = 'strike: "3000" strike_asset_id: "USD" option_type: OPTION_TYPE_CALL'
OPTION_SYMBOL = (
    'type: SYMBOL_TYPE_OPTION symbol_id: "BTC-USD-OPT-BTC-20241227-3000-C" '
    f'base_asset_id: "BTC" quote_asset_id: "BTC" {FUTURE_TERMS} {OPTION_TERMS}'
)
LISTED = 'venue_id: "binance" symbol_id: "BTC-USDT-SPOT" venue_symbol_id: "binance:BTC-USDT-SPOT"'
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
    "replace_order.nothing": (
        "cqc.services.v1.ReplaceOrderRequest",
        ['price: "1"', 'quantity: "1"', 'trigger_price: "1"'],
        [""],
    ),
    "new_order.trailing_limit": (
        "cqc.services.v1.NewOrder",
        [
            TRAILING.replace("_STOP ", "_STOP_LIMIT ") + ' price: "1"',
            TRAILING.replace("_STOP ", "_STOP_LIMIT ") + ' limit_offset: "1"',
        ],
        [
            TRAILING.replace("_STOP ", "_STOP_LIMIT "),
            TRAILING.replace("_STOP ", "_STOP_LIMIT ") + ' price: "1" limit_offset: "1"',
            LIMIT + ' limit_offset: "1"',
        ],
    ),
    "new_order.trigger_direction": (
        "cqc.services.v1.NewOrder",
        [
            BUY_STOP + "UP",
            BUY_STOP.replace("BUY", "SELL") + "DOWN",
            BUY_STOP.replace("TYPE_STOP", "TYPE_TAKE_PROFIT") + "DOWN",
            BUY_STOP.replace("TYPE_STOP", "TYPE_TRIGGER_MARKET") + "DOWN",
        ],
        [
            BUY_STOP + "DOWN",
            BUY_STOP.replace("BUY", "SELL") + "UP",
            BUY_STOP.replace("TYPE_STOP", "TYPE_TAKE_PROFIT") + "UP",
        ],
    ),
    "new_order.trailing_offset": (
        "cqc.services.v1.NewOrder",
        [
            TRAILING.replace('offset: "1"', f'offset: "{offset}"').replace("kind: 1", f"kind: {kind}")
            for offset, kind in (("99.99", 4), ("9999.5", 2), ("100", 1), ("10000", 3))
        ],
        [
            TRAILING.replace('offset: "1"', f'offset: "{offset}"').replace("kind: 1", f"kind: {kind}")
            for offset, kind in (("100", 4), ("10000", 2))
        ],
    ),
    "new_order.peg": (
        "cqc.services.v1.NewOrder",
        [PEGGED, PEGGED + ' peg_offset: "-1" peg_offset_kind: 1'],
        [PEGGED.replace("peg_kind: PEG_KIND_MID", ""), LIMIT + " peg_kind: PEG_KIND_MID"],
    ),
    "new_order.display_quantity": (
        "cqc.services.v1.NewOrder",
        [
            LIMIT.replace('quantity: "1"', f'quantity: "{whole}" display_quantity: "{shown}"')
            for whole, shown in (("10", "9"), ("100", "20"), ("1000", "1"))
        ],
        [
            LIMIT.replace('quantity: "1"', f'quantity: "{whole}" display_quantity: "{shown}"')
            for whole, shown in (("10", "100"), ("9", "10"), ("1", "1000"))
        ],
    ),
    "new_order.algo_type": (
        "cqc.services.v1.NewOrder",
        [MARKET + " algo { strategy: ALGO_STRATEGY_TWAP }", LIMIT + " algo { strategy: ALGO_STRATEGY_TWAP }"],
        [STOP + " algo { strategy: ALGO_STRATEGY_TWAP }"],
    ),
    "new_attached_order.trigger": (
        "cqc.services.v1.NewAttachedOrder",
        [STOP_LOSS + ' trigger_price: "1"', STOP_LOSS + ' trigger_ratio: "0.1"', TRAILED],
        [STOP_LOSS, STOP_LOSS + ' trigger_price: "1" trigger_ratio: "0.1"', TRAILED + ' trigger_price: "1"'],
    ),
    "new_attached_order.size": (
        "cqc.services.v1.NewAttachedOrder",
        [TRAILED + ' quantity: "1"', TRAILED + ' fraction: "0.5"'],
        [TRAILED + ' quantity: "1" fraction: "0.5"'],
    ),
    "new_attached_order.fraction": (
        "cqc.services.v1.NewAttachedOrder",
        [TRAILED + f' fraction: "{part}"' for part in ("0.5", "1", "1.0", "0.01")],
        [TRAILED + f' fraction: "{part}"' for part in ("0.0", "1.01", "2", "0")],
    ),
    "new_algo.participation": (
        "cqc.services.v1.NewAlgo",
        ['strategy: ALGO_STRATEGY_POV participation: "0.1"', "strategy: ALGO_STRATEGY_TWAP"],
        ["strategy: ALGO_STRATEGY_POV", 'strategy: ALGO_STRATEGY_TWAP participation: "0.1"'],
    ),
    "cancel_all_after.timeout": (
        "cqc.services.v1.CancelAllAfterRequest",
        ["timeout { }", "timeout { seconds: 1 }", "timeout { seconds: 86400 }"],
        ["timeout { nanos: 999999999 }", "timeout { seconds: 86400 nanos: 1 }", "timeout { seconds: -1 }"],
    ),
    "symbol.symbol_id": (
        "cqc.markets.v1.Symbol",
        [SPOT, PERPETUAL, FUTURE_SYMBOL],
        [SPOT.replace("BTC-USD", "ETH-USD"), PERPETUAL.replace("BTC-USD", "BTC-EUR"), SPOT.replace("-SPOT", "-INDEX")],
    ),
    "symbol.symbol_id_option": (
        "cqc.markets.v1.Symbol",
        [OPTION_SYMBOL],
        [OPTION_SYMBOL.replace("BTC-USD-OPT", "BTC-BTC-OPT")],
    ),
    "symbol.option_terms": (
        "cqc.markets.v1.Symbol",
        [OPTION_SYMBOL],
        [OPTION_SYMBOL.replace(term, "") for term in ('strike: "3000"', "option_type: OPTION_TYPE_CALL")],
    ),
    "symbol.future_expiry": (
        "cqc.markets.v1.Symbol",
        [FUTURE_SYMBOL],
        [FUTURE_SYMBOL.replace("expiry { seconds: 1 }", "")],
    ),
    "symbol.perpetual_expiry": ("cqc.markets.v1.Symbol", [PERPETUAL], [PERPETUAL + " expiry { seconds: 1 }"]),
    "symbol.not_derivative": (
        "cqc.markets.v1.Symbol",
        [SPOT],
        [SPOT + ' settlement_asset_id: "USD"', SPOT + " expiry { seconds: 1 }"],
    ),
    "venue_symbol.id": (
        "cqc.venues.v1.VenueSymbol",
        [LISTED, LISTED.removesuffix('"') + ':2"'],
        [
            LISTED.replace('venue_id: "binance"', 'venue_id: "okx"'),
            LISTED.replace('"BTC-USDT-SPOT"', '"ETH-USDT-SPOT"'),
        ],
    ),
    "venue_symbol.contract_size_unit": (
        "cqc.venues.v1.VenueSymbol",
        [LISTED + ' contract_size: "1" contract_size_unit: QUANTITY_UNIT_BASE'],
        [
            LISTED + ' contract_size: "1"',
            LISTED + ' contract_size: "1" contract_size_unit: QUANTITY_UNIT_CONTRACTS',
            LISTED + " contract_size_unit: QUANTITY_UNIT_BASE",
        ],
    ),
    "book_level.key": (
        "cqc.markets.v1.BookLevel",
        ['price: "1" quantity: "0"', 'order_id: "x"', 'order_id: "x" price: "1"'],
        ['price: "1"', 'quantity: "1"', ""],
    ),
    "create_transfer.accounts": (
        "cqc.services.v1.CreateTransferRequest",
        ['to_account_id: "y"'],
        ['to_account_id: "x"'],
    ),
    "set_trading_state.cancel_open_orders": (
        "cqc.services.v1.SetTradingStateRequest",
        ["state: 3 cancel_open_orders: true", "state: 1"],
        ["state: 1 cancel_open_orders: true"],
    ),
}
