r"""Two-way tables between what a venue sends and the contracts' messages.

A venue is a `Venue` with tables of text. Reading a payload accounts for every value of it: a field holds it (typed), or
`venue_fields` does, or it states nothing, or it is left out for a stated reason. A value counts as typed only if it is
written again from the message and states the same, all digits included, so a wrong row costs a typed value, never a
value.

    TABLES = '''
    [trades: Trade] when tradeId px
    instId = listing; tradeId = trade_id; px = price; sz = quantity; side = aggressor; ts = timestamp
    '''
    OKX = Venue("okx", tables(TABLES), root="data.*|.", time="ms", common="/arg # the subscription")
    reading = OKX.read(parse_json(frame), "trades", account_id="okx:main", received_at=now)
    reading.messages, reading.counts(), reading.unnamed(), reading.write()

**Tables** are sections of one text, each a header and rows:

- `[kind: Message] at ROOT partial when CONDITION`: a table; the last three may be left out. `ROOT` is where its
  records stand, by default the venue's `root`; of several, separated by `|`, the first that has any. `partial`: the
  venue states only what changed, so the message gets `stated`; with `partial if:condition` only where that holds. The
  first table whose condition holds takes a record.
- `[kind: Message] in OTHER KIND ...`: a further message from the same record, or, with `at`, from records inside it
- `[skip: reason] when CONDITION`: records for which the contracts have no message
- `[name]`: rows that a later section takes over with the row `use name`; a name of its own, alone in the brackets

A kind may have several tables, such as one per shape of payload. A table that is wrong raises `TableError`, which names
every faulty row of the venue and the name that was probably meant.

`table`, `skip` and `under` make the same from Python. Functions in `derive`, by kind, fill what rows cannot: they get
the message, its ids filled, and the `Context`; `candle_close`, `order_state`, `settlement_asset`,
`trigger_direction` and `trigger_type` are five.

**Rows**, one a line or separated by `;`:

- `place = field modifier...`: a value and the field that holds it
- `field := value`: what the kind of payload says without a value of its own; an enum's value without its prefix,
  `true`, `24h`, or a string with `{field}` and `{@place}` in it; of several, separated by ` | `, the first that can be
  filled; ` if:condition` at the end; a field that is set keeps its value; `bids.*.action := NEW` in every item
- `place ~ word`: a constant that the kind of message implies; counts as typed where it is this word
- `place # reason`: not kept, with all that is below it

**Places** are dotted:

- `a.b`, `a.0`; `.` is the record itself; a dot inside a key is `\.`
- `a.*.b`: every item of a list; `a.**`: every item of an object (in roots)
- `filters.filterType=PRICE_FILTER.minPrice`: the first item of a list that says so
- `data.*side=Buy.price = bids.*.price`: every such item, counted among themselves; `changes.*0=buy.1` in arrays
- `data.*-side=Sell.price = asks.*.price`, `asks.*-.0`: counted from the last, for a list with the worst price first
- `data.*.symbol = listing`: what every item repeats, for one field
- `/a.b`: from the payload's root; its stars stand for the record's own place (`/data.*.instId` in a record at
  `data.*.details.*`), and `$` for the record's last index (`/0.universe.$.name` in a record at `1.*`)
- `@name`: where the payload stood; `@key`: the record's key in an object or list
- `{bids,asks}.*.0 = {bids,asks}.*.price`: a row for each

**Fields** are paths in the message: `fees.0.amount`, `bids.*.price`, `order.native_listing.symbol`; `listing` is short
for `native_listing.symbol`. The codec follows from the field's descriptor:

- text with a decimal rule: exact, exponents expanded, all digits kept; other text: as it is
- Timestamp: unit of the row, else of the venue, else by the size of the number; RFC 3339; 0 and -1 mean "none"
- Duration: `5m`, `1H`, `PT8H`, `Min15`, or a number with the row's unit
- enum: by the shared `VOCABULARY` and the venue's `words`; the word goes to the `raw_` field beside it, known or not
- bool: `true`, "true", 1, "Y" and the like; integer; double (kept twice if it has more digits than a double)
- list of these: from a list, or from the only item
- `..._asset_code`: the code; the id beside it comes from `Venue.asset`
- `native_listing`: the symbol and segment; `venue_symbol_id` comes from `Venue.listing`

`venue_id`, `account_id` and `received_at` fill themselves at any depth; so do the ids of VenueSymbol (from `segment`
and `native_symbol`), and Symbol from the VenueSymbol of the same record.

**Modifiers:**

- `ms`, `s`, `us`, `ns`, `m`, `h`, `d`: unit of a time or a length of time
- `none:0,-1`: sentinels that mean "none"; null, "", [] and {} always do
- `neg`: opposite sign, or the opposite of a bool; `%`: percent to a fraction; `e-8`: any power of ten; `by:ccy`: the
  power of ten in `Venue.scales` of the code at that place
- `1+`: a deviation to a multiple: 0.05 to 1.05, with `neg` to 0.95
- `sign:side`: the number's sign is the enum field `side` beside it (BUY or SELL, LONG or SHORT), the field its size
- `re:candle(.+)`: the part in the one group, without spaces. What is around it has to be literal to be written again.
  Several rows may share a string if together they account for every character of it, each for its group and the
  literal text around it: `t = listing re:^/candles:(.+)_; t = interval re:_([^_]+)$` for `/candles:BTC_USD_1h`;
  `c = bids.0.price re:^([\d.]+),buy,` and `c = bids.0.quantity re:,buy,(\d+)$` for `9.5,buy,2`; the same for JSON in a
  string: `c = trade_id re:^\{"id":"(\w+)",`
- `words:NAME`: the venue's words of that name first, or those of the row: `words:CALL=true|1,PUT=false|0`
- `only`: nothing is set for an unknown word
- `is:post_only|alo`: a bool that is true for these words and otherwise absent
- `int32`: 32 bits that the venue writes with a sign
- `if:condition`: the row applies where the condition holds (no spaces: separate tests by commas, and write `?` for a
  comma or a space inside a word: `if:change=*?sell?*`)

An unsigned size beside a word is two rows: `size = quantity neg if:side=short; size = quantity if:side=long`. A venue
that mixes units of time leaves `Venue.time` out: the size of each number tells its unit.

Several rows may share a place (`ordType = type; ordType = time_in_force only`), and several places a field: the first
fills it, the others are typed where they say the same.

**Conditions** (`when`, `if:`): `key`, `!key`, `key=a|b`, `key!=a|b`, separated by spaces or commas; all have to hold,
in one of several groups separated by ` or `. `key` alone: it is there, even empty; `key=?*`: it states something.
Wildcards are those of a shell.

**What no row names** goes to `venue_fields` of the record's message: key = JSON Pointer from the record, value = JSON
as it was written; one entry for the largest part none of which has a field. At most 256 entries and 64 KiB; keys that
look personal (user ids, names, e-mail, API keys, IPs) never. Messages without `venue_fields` (Candle, OrderBookDelta)
and the frame around records have no such place: what is not named there is in `Counts.lost`.

**While writing tables**, a `Reading` tells what is left: `unnamed()` lists places without a field, `faults()` why a row
that names such a place did not type its value, `unknown_words()` the words of enums that mean nothing yet, and `rows()`
how many values each row found: a row that never finds any has a misspelt place.
"""

from cqc._map_derive import candle_close, order_state, settlement_asset, trigger_direction, trigger_type
from cqc._map_json import Number, json_text, parse_json
from cqc._map_table import Context, Table, TableError, skip, table, tables, under
from cqc._map_venue import MAX_VENUE_FIELDS, MAX_VENUE_FIELDS_BYTES, Counts, Item, Reading, Venue, code_as_asset
from cqc._map_words import VOCABULARY

__all__ = [
    "MAX_VENUE_FIELDS",
    "MAX_VENUE_FIELDS_BYTES",
    "VOCABULARY",
    "Context",
    "Counts",
    "Item",
    "Number",
    "Reading",
    "Table",
    "TableError",
    "Venue",
    "candle_close",
    "code_as_asset",
    "json_text",
    "order_state",
    "parse_json",
    "settlement_asset",
    "skip",
    "table",
    "tables",
    "trigger_direction",
    "trigger_type",
    "under",
]
