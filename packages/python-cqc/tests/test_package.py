"""What a user gets from the installed wheel."""

import importlib.metadata
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import import_forms
import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

import cqc
from cqc.markets.v1 import Price
from cqc.services.v1 import market_data_pb2_grpc

DISTRIBUTION = importlib.metadata.distribution("cqc")
DOMAINS = ("assets", "markets", "venues", "portfolio", "events", "services")


def python(code: str, **environment: str) -> str:
    """Run code in a fresh interpreter, with warnings as errors, and return what it printed."""
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


def test_tests_run_on_the_installed_wheel() -> None:
    assert "site-packages" in str(cqc.__file__)


def test_version_is_the_distribution_s() -> None:
    assert cqc.__version__ == DISTRIBUTION.version


def test_only_cqc_is_installed_at_the_top_level() -> None:
    assert {name.split("/")[0] for name in installed_files() if ".dist-info" not in name} == {"cqc"}


def test_licence_types_and_sources_are_shipped() -> None:
    names = installed_files()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "cqc/py.typed" in names
    assert "cqc/proto/cqc/markets/v1/price.proto" in names
    assert DISTRIBUTION.metadata["License-Expression"] == "Apache-2.0"


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_exported_name_loads(domain: str) -> None:
    module = __import__(f"cqc.{domain}.v1", fromlist=["*"])
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)
    with pytest.raises(AttributeError, match="NoSuchMessage"):
        module.NoSuchMessage  # noqa: B018


def test_importing_one_type_does_not_load_the_other_domains() -> None:
    loaded = python(
        "import sys\nfrom cqc.assets.v1 import Asset\nAsset()\n"
        "print(*sorted(m for m in sys.modules if m.startswith('cqc.') or m in ('grpc', 'importlib.metadata')))"
    ).split()
    assert "cqc.assets.v1.asset_pb2" in loaded
    assert not [name for name in loaded if name.startswith(("cqc.markets", "cqc.venues", "cqc.services", "grpc"))]
    assert "importlib.metadata" not in loaded


@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_every_module_imports_without_a_warning(implementation: str) -> None:
    modules = [module.name for module in pkgutil.walk_packages(cqc.__path__, "cqc.")]
    assert "cqc.services.v1.market_data_pb2_grpc" in modules
    code = "import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in modules)
    python(code, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=implementation)


def test_descriptor_set_holds_all_files_in_order_with_comments() -> None:
    seen: set[str] = set()
    files = cqc.descriptor_set().file
    for file in files:
        assert set(file.dependency) <= seen
        seen.add(file.name)
    shipped = {name.removeprefix("cqc/proto/") for name in installed_files() if name.startswith("cqc/proto/")}
    assert shipped == {name for name in seen if name.startswith("cqc/")}
    assert all(
        any(location.leading_comments for location in file.source_code_info.location)
        for file in files
        if file.name.startswith("cqc/")
    )
    cqc.descriptor_set().ClearField("file")
    assert len(cqc.descriptor_set().file) == len(files)


@pytest.mark.parametrize("implementation", ["upb", "python"])
@pytest.mark.parametrize("first", ["cqc", "other"])
def test_rules_live_beside_another_copy_of_validate(tmp_path: Path, implementation: str, first: str) -> None:
    """A library that ships the real top-level buf package may load before or after cqc."""
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


def test_a_price_over_grpc(channel: grpc.Channel) -> None:
    assert import_forms.ask(channel) == import_forms.price_of_bitcoin()


def test_an_rpc_that_the_server_does_not_have_is_unimplemented(channel: grpc.Channel) -> None:
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
def test_a_price_survives_both_formats(value: float, seconds: int, nanos: int, asset: str) -> None:
    price = Price(asset_id=asset, value=value, timestamp=Timestamp(seconds=seconds, nanos=nanos))
    assert Price.FromString(price.SerializeToString()) == price
    assert json_format.Parse(json_format.MessageToJson(price), Price()) == price
