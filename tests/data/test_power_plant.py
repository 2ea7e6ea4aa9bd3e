"""The built-in table: where it is looked for, how it is downloaded, how it is identified."""

from __future__ import annotations

import io
import re
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import NoneType

import numpy as np
import pandas as pd
import pytest
import requests

from branchsweep.config.addresses import Address
from branchsweep.config.experiment import Experiment
from branchsweep.data import power_plant, synthetic_table
from branchsweep.data.dataset import Dataset, is_synthetic
from branchsweep.data.download import DownloadOptions, download_table, unpack_table
from branchsweep.data.loading import load_dataset
from branchsweep.data.power_plant import FILE_NAME
from branchsweep.errors import DataError, DownloadError


def experiment(sheet: str | None = None) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "plant",
            "table": {"source": "ccpp", "sheet": sheet, "inputs": ["AT", "AP", "RH"]},
            "heads": {"PE": {"unit": "MW"}, "V": {"unit": "cm Hg"}},
            "space": {"dimensions": {}},
        }
    )


@dataclass(frozen=True)
class Response:
    """What the server sends.

    `announced` is the Content-Length where it is not that of the body. With `stalls` the connection stays open and silent after
    the body.
    """

    body: bytes = b""
    status: int = 200
    announced: int | None = None
    stalls: bool = False


@contextmanager
def serving(response: Response) -> Iterator[str]:
    """The address of a real server, which sends this response to every request."""
    is_finished = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(response.status)
            self.send_header("Content-Length", str(len(response.body) if response.announced is None else response.announced))
            self.end_headers()
            self.wfile.write(response.body)
            self.wfile.flush()
            if response.stalls:
                is_finished.wait(30)

        def log_message(self, *_: object) -> None:
            """Tests are silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/plant.zip"
        finally:
            is_finished.set()
            server.shutdown()
            thread.join()


@contextmanager
def silent_socket() -> Iterator[str]:
    """The address of a socket that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/plant.zip"


def zipped(**files: bytes) -> bytes:
    """A zip with these files; `__` in a name stands for a slash."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def workbook(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_excel(buffer, index=False)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def real_frame(real_table: Path) -> pd.DataFrame:
    return pd.read_excel(real_table)


@pytest.fixture(scope="session")
def real_copy(real_frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table in a file that is quick to read."""
    path = tmp_path_factory.mktemp("copy") / "ccpp.parquet"
    real_frame.to_parquet(path)
    return path


@pytest.fixture(scope="session")
def real_zip(real_table: Path) -> bytes:
    """As the repository sends it: the workbook in a folder, beside other files."""
    return zipped(CCPP__Readme=b"hello", **{"CCPP__Folds5x2_pp.xlsx": real_table.read_bytes()})


@pytest.fixture(scope="session")
def other_table() -> bytes:
    """The workbook of a plant with the same columns, but not the published one."""
    return workbook(pd.DataFrame({name: [column.low, column.high] for name, column in power_plant.COLUMNS.items()}))


@pytest.fixture(scope="session")
def other_zip(other_table: bytes) -> bytes:
    return zipped(**{"Folds5x2_pp.xlsx": other_table})


@pytest.fixture(autouse=True)
def cache(isolated_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:  # isolated_environment first
    """An empty cache, and an empty working directory."""
    folder = tmp_path / "user" / "cache"
    monkeypatch.setenv("BRANCHSWEEP_CACHE", str(folder))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def same_table(path: Path) -> str:
    raise AssertionError(f"{path} should not have been read")


def download(url: str, cache: Path, deadline: float = 5.0) -> None:
    """A download of something that is not the table."""
    download_table(Address(url), cache / FILE_NAME, same_table, DownloadOptions(deadline=deadline))


# --- the table is available ---


@pytest.mark.needs_table
def test_a_downloaded_table_is_read_from_the_cache_afterwards(real_zip: bytes, cache: Path) -> None:
    progress: list[tuple[int, int]] = []
    with serving(Response(real_zip)) as url:
        first = load_dataset(
            experiment(), require_real=True, download=DownloadOptions(Address(url), lambda *now: progress.append(now))
        )
    assert (first.source, first.location, first.rows) == ("download", url, power_plant.ROWS)
    assert progress[-1] == (len(real_zip), len(real_zip))
    assert [received for received, _ in progress] == sorted({received for received, _ in progress})
    assert files_in(cache) == [FILE_NAME]
    again = load_dataset(experiment(), require_real=True)
    assert (again.source, again.location) == ("cache", str(cache / FILE_NAME))
    assert again.digest == first.digest
    third_sheet = load_dataset(experiment(sheet="Sheet3"))  # the same rows in another order
    assert third_sheet.digest == first.digest
    assert not np.array_equal(third_sheet.x, first.x)


@pytest.mark.needs_table
def test_the_address_of_a_mirror_can_be_an_environment_variable(real_zip: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Response(real_zip)) as url:
        monkeypatch.setenv("BRANCHSWEEP_CCPP_URL", url)
        assert load_dataset(experiment()).location == url


@pytest.mark.needs_table
def test_a_cached_file_that_is_not_the_table_is_replaced(real_zip: bytes, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / FILE_NAME).write_bytes(real_zip[:1000])
    messages: list[str] = []
    with serving(Response(real_zip)) as url:
        assert (
            load_dataset(experiment(), on_message=messages.append, download=DownloadOptions(Address(url))).source == "download"
        )
    assert str(cache / FILE_NAME) in messages[0]
    assert files_in(cache) == [FILE_NAME]
    assert load_dataset(experiment()).source == "cache"


@pytest.mark.needs_table
def test_another_table_in_the_cache_is_replaced_by_the_published_rows(real_zip: bytes, other_table: bytes, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / FILE_NAME).write_bytes(other_table)
    with serving(Response(real_zip)) as url:
        dataset = load_dataset(experiment(), download=DownloadOptions(Address(url)))
    assert (dataset.source, dataset.rows) == ("download", power_plant.ROWS)
    assert not warnings_of_difference(dataset)


@pytest.mark.needs_table
def test_a_path_given_as_data_precedes_the_environment_variable_and_the_data_folder(
    real_frame: pd.DataFrame, real_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = Path("data", FILE_NAME)
    local.parent.mkdir()
    real_frame.to_excel(local, index=False)
    assert location(load_dataset(experiment())) == ("file", str(local))
    in_environment = tmp_path / "environment.parquet"
    real_frame.to_parquet(in_environment)
    monkeypatch.setenv("BRANCHSWEEP_CCPP", str(in_environment))
    assert location(load_dataset(experiment())) == ("file", str(in_environment))
    assert location(load_dataset(experiment(), data=real_copy)) == ("file", str(real_copy))


def warnings_of_difference(dataset: Dataset) -> list[str]:
    """Warnings that the table is not the published one, which name its file; those of duplicates do not."""
    return [warning for warning in dataset.warnings if dataset.location in warning]


def location(dataset: Dataset) -> tuple[str, str]:
    return dataset.source, dataset.location


@pytest.mark.needs_table
def test_the_table_is_identified_by_its_content(real_frame: pd.DataFrame, real_copy: Path, tmp_path: Path) -> None:
    published = load_dataset(experiment(), data=real_copy)
    assert not warnings_of_difference(published)
    noise = 1.0 + 2.0**-52  # what a spreadsheet program makes of 14.96
    copies = {
        "shuffled.csv": real_frame.sample(frac=1.0, random_state=0),
        "renamed.parquet": real_frame.rename(columns={"PE": "EP"}),
        "noisy.parquet": real_frame * noise,
        "other order.parquet": real_frame[["PE", "RH", "AP", "V", "AT"]].assign(note="a note"),
    }
    for name, frame in copies.items():
        frame.to_parquet(tmp_path / name) if name.endswith("parquet") else frame.to_csv(tmp_path / name, index=False)
        copy = load_dataset(experiment(), data=tmp_path / name)
        assert copy.digest == published.digest, name
        assert copy.warnings[1:] == published.warnings[1:], name


@pytest.mark.needs_table
@pytest.mark.parametrize(
    ("change", "values"),
    [
        (lambda frame: frame.iloc[1:], ["9,567", "9,568"]),
        (lambda frame: frame.assign(AT=frame["AT"] + 1.0), ["AT", "2.81", "38.11", "1.81", "37.11"]),
        (lambda frame: frame.assign(AP=frame["AP"].to_numpy()[::-1]), []),  # columns, rows and ranges are right
    ],
)
def test_a_users_table_that_differs_is_used_with_a_warning(
    real_frame: pd.DataFrame, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], values: list[str]
) -> None:
    change(real_frame).to_parquet(tmp_path / "changed.parquet")
    dataset = load_dataset(experiment(), data=tmp_path / "changed.parquet", require_real=True)
    assert dataset.source == "file"
    (warning,) = warnings_of_difference(dataset)
    assert [value for value in values if value not in warning] == []


@pytest.mark.needs_table
def test_the_workbook_is_found_in_any_folder_of_a_zip(real_table: Path) -> None:
    content = real_table.read_bytes()
    other = zipped(**{"[Content_Types].xml": b"another workbook"})
    assert unpack_table(content, Address("url")) == content  # the address of the workbook itself
    assert unpack_table(zipped(**{"a__b__c__FOLDS.XLSX": content}), Address("url")) == content
    assert unpack_table(zipped(**{"a.xlsx": other, "b__Folds5x2_pp.xlsx": content}), Address("url")) == content
    nested = zipped(**{"__MACOSX__._a.xlsx": b"a note", "inner.zip": zipped(**{"a.xlsx": content})})
    assert unpack_table(nested, Address("url")) == content


# --- the table is not available ---


@pytest.mark.parametrize(
    ("response", "value", "cause"),
    [
        (Response(b"gone", status=404), "404", NoneType),
        (Response(b"busy", status=503), "503", NoneType),
        (Response(b"this is no zip"), "zip", zipfile.BadZipFile),
        (Response(b""), "zip", zipfile.BadZipFile),
        (Response(zipped(Readme=b"hello")[:-5]), "zip", zipfile.BadZipFile),
        (Response(zipped(Readme=b"hello" * 99)[:20], announced=9999), "", requests.exceptions.ChunkedEncodingError),
        (Response(zipped(Readme=b"hello")), FILE_NAME, NoneType),
        (Response(b"", announced=10**12), "67,108,864", NoneType),
    ],
    ids=["404", "503", "no zip", "nothing", "broken zip", "truncated", "no table", "endless"],
)
def test_a_download_that_is_not_the_table_is_not_stored(response: Response, value: str, cause: type, cache: Path) -> None:
    with serving(response) as url, pytest.raises(DownloadError) as error:
        download(url, cache)
    assert url in error.value.message and value in error.value.message
    assert isinstance(error.value.__cause__, cause)
    assert files_in(cache) == []


def test_a_zip_with_flipped_bits_is_not_stored(cache: Path) -> None:
    archive = bytearray(zipped(**{"Folds5x2_pp.xlsx": bytes(range(256)) * 20}))
    archive[100] ^= 0xFF
    with serving(Response(bytes(archive))) as url, pytest.raises(DownloadError, match=re.escape(url)) as error:
        download(url, cache)
    assert isinstance(error.value.__cause__, zipfile.BadZipFile)
    assert files_in(cache) == []


@pytest.mark.parametrize(("is_workbook", "value"), [(True, "2"), (False, "xlsx")])  # it has two rows; it cannot be read
def test_another_table_is_not_stored(is_workbook: bool, value: str, other_zip: bytes, cache: Path) -> None:
    response = other_zip if is_workbook else zipped(**{"Folds5x2_pp.xlsx": b"PK is not enough"})
    with serving(Response(response)) as url:
        dataset = load_dataset(experiment(), download=DownloadOptions(Address(url)))
    assert dataset.is_synthetic
    assert url in dataset.warnings[0] and re.search(rf"\b{value}\b", dataset.warnings[0].replace(url, ""))
    assert files_in(cache) == []


@pytest.mark.parametrize("sent", [b"", b"PK and then nothing"], ids=["no byte", "mid-transfer"])
def test_a_server_that_stops_sending_is_an_error_at_the_deadline(sent: bytes, cache: Path) -> None:
    """It names the bytes that have arrived, if any (on a busy machine they may come too late), and the deadline."""
    response = Response(sent, announced=1000, stalls=True)
    start = time.monotonic()
    with serving(response) as url:
        with pytest.raises(DownloadError) as caught:
            download(url, cache, deadline=0.3)
        assert time.monotonic() - start < 2.0
        assert str(caught.value).startswith(url)
        numbers = re.findall(r"\b\d[\d.]*\b", str(caught.value).removeprefix(url))
        assert numbers in (["0.3"], [f"{len(sent)}", "0.3"])
    assert files_in(cache) == []


def test_a_socket_that_never_responds_is_an_error_at_the_deadline(cache: Path) -> None:
    start = time.monotonic()
    with silent_socket() as url, pytest.raises(DownloadError, match=rf"{url} .* 0\.3 s"):
        download(url, cache, deadline=0.3)
    assert time.monotonic() - start < 2.0


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:9/plant.zip", requests.ConnectionError),
        ("plant.zip", requests.exceptions.MissingSchema),
        ("ftp://127.0.0.1/plant.zip", requests.exceptions.InvalidSchema),
        ("http://[", requests.exceptions.InvalidURL),
    ],
)
def test_an_address_that_does_not_exist_is_an_error(url: str, cause: type[Exception], cache: Path) -> None:
    with pytest.raises(DownloadError, match=f"^{re.escape(url)} ") as error:
        download(url, cache)
    assert isinstance(error.value.__cause__, cause)


def test_a_cache_that_cannot_be_written_is_warned_of_before_the_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BRANCHSWEEP_CACHE", str(tmp_path / "file" / "cache"))
    dataset = load_dataset(experiment())
    assert dataset.is_synthetic
    assert str(tmp_path / "file" / "cache") in dataset.warnings[0] and "BRANCHSWEEP_CACHE" in dataset.warnings[0]


def test_without_the_table_the_synthetic_one_is_used_with_a_warning() -> None:
    messages: list[str] = []
    dataset = load_dataset(experiment(), on_message=messages.append)
    assert (dataset.source, dataset.is_synthetic, dataset.rows) == ("synthetic", True, power_plant.ROWS)
    assert is_synthetic("stand-in"), "its name in records of earlier versions"
    assert str(synthetic_table.SEED) in dataset.location
    url = "http://127.0.0.1:9/nobody-listens-here.zip"
    assert dataset.warnings[0].startswith("SYNTHETIC DATA")
    assert all(text in dataset.warnings[0] for text in (url, "data/Folds5x2_pp.xlsx", "--data"))
    (message,) = messages
    assert url in message
    rows = synthetic_table.synthetic_rows()
    np.testing.assert_array_equal(dataset.x, rows[:, [0, 2, 3]])
    np.testing.assert_array_equal(dataset.y, rows[:, [4, 1]])


def test_the_synthetic_table_can_be_refused() -> None:
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/"):
        load_dataset(experiment(), require_real=True)


@pytest.mark.parametrize("origin", ["--data", "BRANCHSWEEP_CCPP"])
def test_a_path_without_a_file_is_an_error(origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nowhere.xlsx"
    if origin == "BRANCHSWEEP_CCPP":
        monkeypatch.setenv(origin, str(path))
    with pytest.raises(DataError) as error:
        load_dataset(experiment(), data=path if origin == "--data" else None)
    assert str(path) in error.value.message and origin in error.value.message


def test_a_users_file_that_is_not_the_table_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.csv"
    other.write_text("AT,RH,AP,PE,W\n1,2,3,4,5\n")
    with pytest.raises(DataError, match=r"'V' \(heads\.V\.column\)"):
        load_dataset(experiment(), data=other)
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK")
    monkeypatch.setenv("BRANCHSWEEP_CCPP", str(broken))
    with pytest.raises(DataError) as error:
        load_dataset(experiment())
    assert error.value.where == str(broken)
    monkeypatch.delenv("BRANCHSWEEP_CCPP")
    Path("data").mkdir()
    Path("data", FILE_NAME).write_bytes(b"PK")
    with pytest.raises(DataError) as error:
        load_dataset(experiment())
    assert error.value.where == str(Path("data", FILE_NAME))


def test_the_difference_to_the_published_table_is_described() -> None:
    table = {name: np.zeros(3) for name in ("AT", "AP", "RH", "PE")}
    assert column_in(power_plant.table_difference(table)) == ["V"]
    rows = dict(zip(power_plant.COLUMNS, synthetic_table.synthetic_rows().T, strict=True))
    assert power_plant.table_difference(rows) != ""
    rows["AP"] = np.where(np.arange(power_plant.ROWS) == 5, np.nan, rows["AP"])
    rows["AT"], rows["V"] = (
        np.linspace(power_plant.COLUMNS[name].low, power_plant.COLUMNS[name].high, power_plant.ROWS) for name in ("AT", "V")
    )
    assert column_in(power_plant.table_difference(rows)) == ["AP"]


def column_in(difference: str) -> list[str]:
    """The columns that a description names."""
    return re.findall(rf"\b(?:{'|'.join(power_plant.COLUMNS)})\b", difference)
