"""The installed wheel: contents, imports, messages, rules and RPCs."""

import importlib.metadata
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from decimal import Decimal
from pathlib import Path

import grpc
import import_forms
import protovalidate
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

import cqc
from cqc.markets.v1 import BookLevel, OrderBook, Price
from cqc.services.v1 import NewOrder, PlaceOrderRequest, market_data_pb2_grpc
from cqc.venues.v1 import OrderSide, OrderType

DISTRIBUTION = importlib.metadata.distribution("cqc")
DOMAINS = ("rules", "options", "assets", "markets", "venues", "portfolio", "events", "services")


def python(code: str, **environment: str) -> str:
    """Run code in a new interpreter with warnings as errors and return its output."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def installed_files() -> list[str]:
    return [str(path) for path in DISTRIBUTION.files or []]


def test_cqc_is_imported_from_the_installed_wheel() -> None:
    assert "site-packages" in str(cqc.__file__)


def test_version_is_the_version_of_the_distribution() -> None:
    assert cqc.__version__ == DISTRIBUTION.version


def test_the_version_is_known_without_the_metadata_of_distributions() -> None:
    printed = python("import sys, cqc\nprint(cqc.__version__, 'importlib.metadata' in sys.modules)")
    assert printed == f"{DISTRIBUTION.version} False"


def test_the_version_of_a_source_checkout_is_unknown(tmp_path: Path) -> None:
    source = Path(__file__).parents[1] / "src" / "cqc"
    shutil.copytree(source, tmp_path / "cqc", ignore=shutil.ignore_patterns("_built.py", "__pycache__"))
    assert python("import cqc\nprint(cqc.__version__)", PYTHONPATH=str(tmp_path)) == "0+unknown"


def test_cqc_is_the_only_top_level_package() -> None:
    assert {name.split("/")[0] for name in installed_files() if ".dist-info" not in name} == {"cqc"}


def test_wheel_contains_license_types_and_protos() -> None:
    names = installed_files()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "cqc/py.typed" in names
    assert "cqc/proto/cqc/markets/v1/price.proto" in names
    assert DISTRIBUTION.metadata["License-Expression"] == "Apache-2.0"


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_exported_name_can_be_imported(domain: str) -> None:
    module = __import__(f"cqc.{domain}.v1", fromlist=["*"])
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)
    with pytest.raises(AttributeError, match="NoSuchMessage"):
        module.NoSuchMessage  # noqa: B018


def test_importing_a_message_does_not_load_other_domains() -> None:
    loaded = python(
        "import sys\nfrom cqc.assets.v1 import Asset\nAsset()\n"
        "print(*sorted(m for m in sys.modules if m.startswith('cqc.') or m in ('grpc', 'importlib.metadata')))"
    ).split()
    assert "cqc.assets.v1.asset_pb2" in loaded
    assert not [name for name in loaded if name.startswith(("cqc.markets", "cqc.venues", "cqc.services", "grpc"))]
    assert "importlib.metadata" not in loaded


@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_every_module_imports_without_warnings(implementation: str) -> None:
    modules = [module.name for module in pkgutil.walk_packages(cqc.__path__, "cqc.")]
    assert "cqc.services.v1.market_data_pb2_grpc" in modules
    code = "import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in modules)
    python(code, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=implementation)


def test_descriptor_set_has_all_files_in_order_with_comments() -> None:
    seen: set[str] = set()
    files = cqc.descriptor_set().file
    for file in files:
        assert set(file.dependency) <= seen
        seen.add(file.name)
    shipped = {name.removeprefix("cqc/proto/") for name in installed_files() if name.startswith("cqc/proto/")}
    # protoc brings the others itself.
    assert shipped == {name for name in seen if not name.startswith("google/protobuf/")}
    assert all(
        any(location.leading_comments for location in file.source_code_info.location)
        for file in files
        if file.name.startswith("cqc/")
    )
    cqc.descriptor_set().ClearField("file")
    assert len(cqc.descriptor_set().file) == len(files)


@pytest.mark.parametrize("implementation", ["upb", "python"])
@pytest.mark.parametrize("first", ["cqc", "other"])
def test_another_copy_of_buf_validate_can_be_loaded(tmp_path: Path, implementation: str, first: str) -> None:
    """Another library may ship the top-level buf package and load it before or after cqc."""
    from cqc import _buf_validate

    package = tmp_path / "buf" / "validate"
    package.mkdir(parents=True)
    package.joinpath("validate_pb2.py").write_text(
        "from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, field_mask_pb2, timestamp_pb2\n"
        "from google.protobuf.internal import builder\n"
        f"DESCRIPTOR = descriptor_pool.Default().AddSerializedFile({_buf_validate.DESCRIPTOR.serialized_pb!r})\n"
        "builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())\n"
        "builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, __name__, globals())\n"
    )
    order = ["from cqc.rules.v1 import rules_pb2", "from buf.validate import validate_pb2"]
    code = "\n".join(order if first == "cqc" else reversed(order))
    code += (
        "\nfrom cqc.markets.v1 import Price"
        "\nfield = Price.DESCRIPTOR.fields_by_name['asset_id'].GetOptions()"
        "\nprint(field.Extensions[validate_pb2.field].string.Extensions[rules_pb2.asset_reference])"
    )
    printed = python(code, PYTHONPATH=str(tmp_path), PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=implementation)
    assert printed == "True"


@pytest.fixture
def channel() -> Iterator[grpc.Channel]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    market_data_pb2_grpc.add_MarketDataServicer_to_server(import_forms.Prices(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    server.stop(None).wait()


def test_the_code_of_the_readme(tmp_path: Path) -> None:
    """The server and the client of the README talk over TLS. Its first two programs run in every rehearsed release."""
    # The key is for these tests alone.
    certificates = Path(__file__).parents[2] / "ts-cqc" / "test"
    shutil.copy(certificates / "localhost.crt", tmp_path / "tls.crt")
    shutil.copy(certificates / "localhost.key", tmp_path / "tls.key")
    readme = DISTRIBUTION.read_text("METADATA") or ""
    _, _, code = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_unary_rpc(channel: grpc.Channel) -> None:
    assert import_forms.get_price(channel) == import_forms.price_of_bitcoin()


def test_a_number_in_a_decimal_field_is_refused_and_can_be_found() -> None:
    """protobuf's C implementation does not name the field: the README says what to do."""
    with pytest.raises(TypeError, match="bad argument type for built-in operation"):
        NewOrder(price=65000)  # type: ignore[arg-type]
    assert NewOrder(price=cqc.format_decimal(Decimal(65000))) == NewOrder(price="65000")
    code = (
        "from cqc.services.v1 import NewOrder\n"
        "try:\n    NewOrder(price=65000)\nexcept TypeError as error:\n    print(error)"
    )
    assert "for field NewOrder.price" in python(code, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION="python")


def test_missing_rpc_is_unimplemented(channel: grpc.Channel) -> None:
    from cqc.services.v1 import GetOrderBookRequest

    stub = market_data_pb2_grpc.MarketDataStub(channel)
    with pytest.raises(grpc.RpcError) as raised:
        stub.GetOrderBook(GetOrderBookRequest(venue_symbol_id="binance:BTC-USDT-SPOT"), timeout=10)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


@given(
    value=st.floats(allow_nan=False),
    seconds=st.integers(-62_135_596_800, 253_402_300_799),
    nanos=st.integers(0, 999_999_999),
    asset=st.text(),
)
def test_messages_round_trip_in_binary_and_json(value: float, seconds: int, nanos: int, asset: str) -> None:
    price = Price(asset_id=asset, value=value, timestamp=Timestamp(seconds=seconds, nanos=nanos))
    assert Price.FromString(price.SerializeToString()) == price
    assert json_format.Parse(json_format.MessageToJson(price), Price()) == price


def rule_ids(message: Message) -> list[str]:
    """Return the ids of violated rules, from protovalidate without configuration."""
    return [violation.proto.rule_id for violation in protovalidate.Validator().collect_violations(message)]


def book(price: str) -> OrderBook:
    return OrderBook(
        venue_symbol_id="binance:BTC-USDT-SPOT",
        received_at=Timestamp(seconds=1),
        bids=[BookLevel(price=price, quantity="1")],
    )


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18))
def test_plain_decimals_are_valid(number: Decimal) -> None:
    text = format(number, "f")
    assert rule_ids(book(text)) == ([] if number or not number.is_signed() else ["string.decimal"])


@pytest.mark.parametrize("price", ["-0", "-0.00", "01", "1.", ".5", "1e-8", "NaN", "+1", " 1", "1\n", "٣", "1" * 79])
def test_other_strings_are_not_valid_decimals(price: str) -> None:
    assert rule_ids(book(price)) == ["string.decimal"]


def test_a_level_needs_a_price_or_an_order_id() -> None:
    assert rule_ids(book("")) == ["book_level.key"]


def order(**fields: object) -> PlaceOrderRequest:
    """A valid limit order with some fields changed, or removed by None."""
    valid: dict[str, object] = {
        "account_id": "main",
        "venue_symbol_id": "binance:BTC-USDT-SPOT",
        "client_order_id": "1",
        "side": OrderSide.ORDER_SIDE_BUY,
        "type": OrderType.ORDER_TYPE_LIMIT,
        "quantity": "0.5",
        "price": "67890.50",
    }
    chosen = {name: value for name, value in {**valid, **fields}.items() if value is not None}
    new_order = json_format.ParseDict(chosen, NewOrder())
    return PlaceOrderRequest(request_id="c7a7e0de-3b0f-4a34-9d5a-0f6d5d9f3b52", order=new_order)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"price": None}, ["new_order.limit_price"]),
        ({"price": None, "price_match": "PRICE_MATCH_QUEUE"}, []),
        ({"type": "ORDER_TYPE_MARKET", "price": None}, []),
        ({"type": "ORDER_TYPE_MARKET"}, ["new_order.market_price"]),
        ({"type": "ORDER_TYPE_STOP", "price": None}, ["new_order.trigger"]),
        ({"type": "ORDER_TYPE_STOP", "price": None, "trigger_price": "1"}, []),
        ({"trigger_price": "1"}, ["new_order.trigger"]),
        (
            {
                "type": "ORDER_TYPE_STOP",
                "price": None,
                "trigger_price": "1",
                "trigger_direction": "TRIGGER_DIRECTION_UP",
            },
            [],
        ),
        (
            {
                "type": "ORDER_TYPE_TAKE_PROFIT",
                "price": None,
                "trigger_price": "1",
                "trigger_direction": "TRIGGER_DIRECTION_UP",
            },
            ["new_order.trigger_direction"],
        ),
        ({"quantity": None}, ["required"]),
        ({"quantity": "0"}, ["string.decimal_positive"]),
        ({"quantity": None, "quote_quantity": "100"}, []),
        ({"quantity": None, "close_position": True}, []),
        ({"quantity": None, "close_position": False}, ["bool.const"]),
        ({"volatility_price": "0.65"}, ["new_order.limit_price"]),
        ({"price": None, "volatility_price": "0.65"}, []),
        ({"client_order_id": "-1"}, ["string.client_id"]),
        ({"type": "ORDER_TYPE_QUOTED", "price": None}, ["enum.not_in"]),
        ({"time_in_force": "TIME_IN_FORCE_GTX"}, ["enum.not_in"]),
        ({"time_in_force": "TIME_IN_FORCE_GTD"}, ["new_order.good_til"]),
        ({"time_in_force": "TIME_IN_FORCE_GTD", "good_til_time": "2026-01-01T00:00:00Z"}, []),
        ({"type": "ORDER_TYPE_TRAILING_STOP", "price": None}, ["new_order.trailing"]),
        ({"side": None}, ["enum.not_in"]),
        ({"venue_symbol_id": "BTCUSDT"}, ["string.venue_symbol_id"]),
    ],
)
def test_order_fields_depend_on_each_other(changed: dict[str, object], expected: list[str]) -> None:
    assert rule_ids(order(**changed)) == expected
