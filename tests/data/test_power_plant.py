"""The built-in table: where it is looked for, how it is downloaded, how it is identified."""

from __future__ import annotations

import io
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.data import power_plant, synthetic_table
from branchsweep.data.dataset import Dataset
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
class Answer:
    """What the server sends.

    `announced` is the Content-Length where it is not that of the body. With `stalls` the connection stays open and silent after
    the body.
    """

    body: bytes = b""
    status: int = 200
    announced: int | None = None
    stalls: bool = False


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The address of a real server, which gives this answer to every request."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body) if answer.announced is None else answer.announced))
            self.end_headers()
            self.wfile.write(answer.body)
            self.wfile.flush()
            if answer.stalls:
                over.wait(30)

        def log_message(self, *_: object) -> None:
            """Tests are silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/plant.zip"
        finally:
            over.set()
            server.shutdown()
            thread.join()


@contextmanager
def silence() -> Iterator[str]:
    """The address of a socket that accepts connections and never answers."""
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
    download_table(url, cache / FILE_NAME, same_table, DownloadOptions(deadline=deadline))


# --- the table is had ---


@pytest.mark.needs_table
def test_a_download_is_stored_and_found_again(real_zip: bytes, cache: Path) -> None:
    progress: list[tuple[int, int]] = []
    with serving(Answer(real_zip)) as url:
        first = load_dataset(experiment(), require_real=True, download=DownloadOptions(url, lambda *now: progress.append(now)))
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
    with serving(Answer(real_zip)) as url:
        monkeypatch.setenv("BRANCHSWEEP_CCPP_URL", url)
        assert load_dataset(experiment()).location == url


@pytest.mark.needs_table
def test_a_cached_file_that_is_not_the_table_is_replaced(real_zip: bytes, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / FILE_NAME).write_bytes(real_zip[:1000])
    messages: list[str] = []
    with serving(Answer(real_zip)) as url:
        assert load_dataset(experiment(), on_message=messages.append, download=DownloadOptions(url)).source == "download"
    assert "not the published table" in messages[0]
    assert files_in(cache) == [FILE_NAME]
    assert load_dataset(experiment()).source == "cache"


@pytest.mark.needs_table
def test_another_table_in_the_cache_is_replaced_by_the_published_rows(real_zip: bytes, other_table: bytes, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / FILE_NAME).write_bytes(other_table)
    with serving(Answer(real_zip)) as url:
        dataset = load_dataset(experiment(), download=DownloadOptions(url))
    assert (dataset.source, dataset.rows) == ("download", power_plant.ROWS)
    assert not any("not the power-plant table" in warning for warning in dataset.warnings)


@pytest.mark.needs_table
def test_the_first_place_that_has_the_table_is_taken(
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


def location(dataset: Dataset) -> tuple[str, str]:
    return dataset.source, dataset.location


@pytest.mark.needs_table
def test_the_table_is_identified_by_its_content(real_frame: pd.DataFrame, real_copy: Path, tmp_path: Path) -> None:
    published = load_dataset(experiment(), data=real_copy)
    assert not any("not the power-plant table" in warning for warning in published.warnings)
    noise = 1.0 + 2.0**-52  # what a spreadsheet program makes of 14.96
    copies = {
        "shuffled.csv": real_frame.sample(frac=1.0, random_state=0),
        "renamed.parquet": real_frame.rename(columns={"PE": "EP"}),
        "noisy.parquet": real_frame * noise,
        "other order.parquet": real_frame[["PE", "RH", "AP", "V", "AT"]].assign(note="mine"),
    }
    for name, frame in copies.items():
        frame.to_parquet(tmp_path / name) if name.endswith("parquet") else frame.to_csv(tmp_path / name, index=False)
        copy = load_dataset(experiment(), data=tmp_path / name)
        assert copy.digest == published.digest, name
        assert copy.warnings[1:] == published.warnings[1:], name


@pytest.mark.needs_table
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda frame: frame.iloc[1:], "it has 9,567 rows, not 9,568"),
        (lambda frame: frame.assign(AT=frame["AT"] + 1.0), "column AT reaches from 2.81 to 38.11, not from 1.81 to 37.11"),
        (lambda frame: frame.assign(AP=frame["AP"].to_numpy()[::-1]), "columns, rows and ranges are right, but values differ"),
    ],
)
def test_a_users_table_that_differs_is_taken_with_a_warning(
    real_frame: pd.DataFrame, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], expected: str
) -> None:
    change(real_frame).to_parquet(tmp_path / "mine.parquet")
    dataset = load_dataset(experiment(), data=tmp_path / "mine.parquet", require_real=True)
    assert dataset.source == "file"
    assert "is not the power-plant table as it was published" in dataset.warnings[0]
    assert expected in dataset.warnings[0]


@pytest.mark.needs_table
def test_the_workbook_is_found_wherever_it_is(real_table: Path) -> None:
    content = real_table.read_bytes()
    other = zipped(**{"[Content_Types].xml": b"another workbook"})
    assert unpack_table(content, "url") == content  # the address of the workbook itself
    assert unpack_table(zipped(**{"a__b__c__FOLDS.XLSX": content}), "url") == content
    assert unpack_table(zipped(**{"a.xlsx": other, "b__Folds5x2_pp.xlsx": content}), "url") == content
    assert (
        unpack_table(zipped(**{"__MACOSX__._a.xlsx": b"a note", "inner.zip": zipped(**{"a.xlsx": content})}), "url") == content
    )


# --- the table is not had ---


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(b"gone", status=404), "answered 404 Not Found"),
        (Answer(b"busy", status=503), "answered 503 Service Unavailable"),
        (Answer(b"this is no zip"), "is not a zip that can be opened"),
        (Answer(b""), "is not a zip that can be opened"),
        (Answer(zipped(Readme=b"hello")[:-5]), "is not a zip that can be opened"),
        (Answer(zipped(Readme=b"hello" * 99)[:20], announced=9999), "broke off before everything was sent"),
        (Answer(zipped(Readme=b"hello")), "holds no Folds5x2_pp.xlsx, nor any other xlsx file"),
        (Answer(b"", announced=10**12), "sends more than 67,108,864 bytes"),
    ],
    ids=["404", "503", "no zip", "nothing", "broken zip", "truncated", "no table", "endless"],
)
def test_what_is_not_the_table_is_not_stored(answer: Answer, expected: str, cache: Path) -> None:
    with serving(answer) as url, pytest.raises(DownloadError) as error:
        download(url, cache)
    assert expected in str(error.value)
    assert url in str(error.value)
    assert files_in(cache) == []


def test_a_zip_with_flipped_bits_is_not_stored(cache: Path) -> None:
    archive = bytearray(zipped(**{"Folds5x2_pp.xlsx": bytes(range(256)) * 20}))
    archive[100] ^= 0xFF
    with serving(Answer(bytes(archive))) as url, pytest.raises(DownloadError, match="is not a zip that can be opened"):
        download(url, cache)
    assert files_in(cache) == []


@pytest.mark.parametrize("body", ["another table", "no workbook"])
def test_another_table_is_not_stored(body: str, other_zip: bytes, cache: Path) -> None:
    answer = other_zip if body == "another table" else zipped(**{"Folds5x2_pp.xlsx": b"PK is not enough"})
    with serving(Answer(answer)) as url:
        dataset = load_dataset(experiment(), download=DownloadOptions(url))
    assert dataset.is_synthetic
    reason = "is not the published one: " + ("it has 2 rows" if body == "another table" else "cannot be read as xlsx")
    assert reason in dataset.warnings[0]
    assert files_in(cache) == []


@pytest.mark.parametrize("sent", [b"", b"PK and then nothing"], ids=["no byte", "mid-transfer"])
def test_a_server_that_stops_sending_is_given_up_at_the_deadline(sent: bytes, cache: Path) -> None:
    answer = Answer(sent, announced=1000, stalls=True)
    began = time.monotonic()
    with serving(answer) as url:
        with pytest.raises(DownloadError, match=r"sent (no answer|after 19 bytes, nothing more) within 0\.3 s"):
            download(url, cache, deadline=0.3)
        assert time.monotonic() - began < 2.0
    assert files_in(cache) == []


def test_a_socket_that_never_answers_is_given_up_at_the_deadline(cache: Path) -> None:
    began = time.monotonic()
    with silence() as url, pytest.raises(DownloadError, match=r"sent no answer within 0\.3 s"):
        download(url, cache, deadline=0.3)
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9/plant.zip", "could not be reached"),
        ("plant.zip", "is not an address to download from"),
        ("ftp://127.0.0.1/plant.zip", "is not an address to download from"),
        ("http://[", "is not an address to download from"),
    ],
)
def test_an_address_that_does_not_exist_is_reported(url: str, expected: str, cache: Path) -> None:
    with pytest.raises(DownloadError) as error:
        download(url, cache)
    assert str(error.value).startswith(f"{url} {expected}")


def test_a_cache_that_cannot_be_written_is_reported_before_the_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BRANCHSWEEP_CACHE", str(tmp_path / "file" / "cache"))
    dataset = load_dataset(experiment())
    assert dataset.is_synthetic
    assert "name another one with the environment variable BRANCHSWEEP_CACHE" in dataset.warnings[0]


def test_without_the_table_the_synthetic_one_is_used_with_a_warning() -> None:
    messages: list[str] = []
    dataset = load_dataset(experiment(), on_message=messages.append)
    assert (dataset.source, dataset.is_synthetic, dataset.rows) == ("stand-in", True, power_plant.ROWS)
    assert dataset.location == f"the synthetic table (seed {synthetic_table.SEED})"
    assert dataset.warnings[0].startswith("SYNTHETIC DATA. The real power-plant table cannot be had: http://127.0.0.1:9/")
    assert "put it at data/Folds5x2_pp.xlsx, or name its place with --data" in dataset.warnings[0]
    assert messages == ["downloading the power-plant table from http://127.0.0.1:9/nobody-listens-here.zip"]
    drawn = synthetic_table.synthetic_rows()
    np.testing.assert_array_equal(dataset.x, drawn[:, [0, 2, 3]])
    np.testing.assert_array_equal(dataset.y, drawn[:, [4, 1]])


def test_the_synthetic_table_can_be_refused() -> None:
    with pytest.raises(
        DataError, match=r"the real table is required, and cannot be had: http://127.*could not be reached; get"
    ):
        load_dataset(experiment(), require_real=True)


@pytest.mark.parametrize("way", ["--data", "BRANCHSWEEP_CCPP"])
def test_a_path_that_leads_nowhere_is_never_ignored(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nowhere.xlsx"
    if way == "BRANCHSWEEP_CCPP":
        monkeypatch.setenv(way, str(path))
    with pytest.raises(DataError) as error:
        load_dataset(experiment(), data=path if way == "--data" else None)
    assert str(error.value).startswith(f"got '{path}' from ")
    assert way in str(error.value)


def test_a_users_file_that_is_not_the_table_is_never_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.csv"
    other.write_text("AT,RH,AP,PE,W\n1,2,3,4,5\n")
    with pytest.raises(DataError, match=r"column 'V' \(heads\.V\.column\) not found"):
        load_dataset(experiment(), data=other)
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK")
    monkeypatch.setenv("BRANCHSWEEP_CCPP", str(broken))
    with pytest.raises(DataError, match="cannot be read as xlsx"):
        load_dataset(experiment())
    monkeypatch.delenv("BRANCHSWEEP_CCPP")
    Path("data").mkdir()
    Path("data", FILE_NAME).write_bytes(b"PK")
    with pytest.raises(DataError, match="cannot be read as xlsx"):
        load_dataset(experiment())


def test_the_difference_to_the_published_table_is_described() -> None:
    table = {name: np.zeros(3) for name in ("AT", "AP", "RH", "PE")}
    assert power_plant.table_difference(table) == "it has no column V"
    drawn = dict(zip(power_plant.COLUMNS, synthetic_table.synthetic_rows().T, strict=True))
    assert power_plant.table_difference(drawn) != ""
    drawn["AP"] = np.where(np.arange(power_plant.ROWS) == 5, np.nan, drawn["AP"])
    drawn["AT"], drawn["V"] = (
        np.linspace(power_plant.COLUMNS[name].low, power_plant.COLUMNS[name].high, power_plant.ROWS) for name in ("AT", "V")
    )
    assert power_plant.table_difference(drawn) == "column AP has values that are missing or not numbers"
