"""The process and the machine that the package runs on: its standard error, its files, and facts about its environment."""

from __future__ import annotations

import gc
import glob
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from branchsweep.errors import UserError, remedy

if TYPE_CHECKING:
    from filelock import FileLock


def is_installed(package: str) -> bool:
    """Whether a package can be imported. A folder of its name in the working directory, without modules, is none."""
    found = find_spec(package)
    return found is not None and found.origin is not None


@contextmanager
def silence_stderr() -> Iterator[None]:
    """Context in which nothing is written to standard error, not even by C++ code.

    TensorFlow logs about CUDA and oneDNN while it is imported and when it first looks for devices, before any of its settings
    can prevent it. Use it around imports and conversions only: exceptions are raised, but what a library prints is lost.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)


def collect_garbage_rarely() -> None:
    """Let Python look for garbage after 50,000 new objects, not after 700, in a process that imports much and then waits."""
    gc.set_threshold(50_000, *gc.get_threshold()[1:])


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Context in which Python looks for garbage after 20,000 new objects, not after 700; for imports.

    Libraries make a million objects that stay, and Python would look through them again and again, for a quarter of the time
    that the import takes. At the end they are set aside: no later search for garbage looks at them.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(max(20_000, thresholds[0]), *thresholds[1:])
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*thresholds)


def process_age() -> float:
    """Seconds since this process was started; 0 where the system does not say."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # `starttime` of proc(5): ticks since the machine's start
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, ValueError, IndexError, AttributeError):  # no Linux
        return 0.0


def available_memory() -> int | None:
    """Bytes of memory that this process may still take, by its system and its control group; None where that is not known."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # no Linux
        return None
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # no bound, or no such file
        most, used = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        available = min(available, most - used + _reclaimable(group))
    return max(0, available)


def process_memory(pid: int) -> int:
    """Bytes of memory that a process takes, apart from what it shares with others; 0 where that is not known."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):  # it has ended, or the system is not Linux
        return 0


def _reclaimable(group: Path) -> int:
    """Bytes of a control group that hold files, and are given back when they are needed."""
    lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.split()[0] in {"inactive_file", "active_file"})


def read_files(folder: Path) -> dict[str, bytes]:
    """The contents of the files in a folder, by name, without those in folders below it."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files into a folder, all or none: if the disk is full, what was there stays, and no half of the new files does.

    Args:
        folder: The folder, which is made if it is not there.
        files: The contents by file name, which may begin with folders; texts are written as UTF-8. What is no file, such as a
            pipe or `/dev/stdout`, is written to directly.

    Raises:
        OSError: One of them cannot be written.
    """
    drafts: list[tuple[Path, Path]] = []
    made: list[Path] = []
    try:
        for name, content in files.items():
            data, target = content.encode() if isinstance(content, str) else content, (folder / name).resolve()
            made += [parent for parent in target.parents if not parent.exists()]  # the innermost first
            target.parent.mkdir(parents=True, exist_ok=True)
            if (target.exists() and not target.is_file()) or not os.access(target.parent, os.W_OK):
                target.write_bytes(data)
                continue
            _delete_old_drafts(target)
            draft = target.with_name(f"{_draft_prefix(target)}{uuid.uuid4().hex}.new")
            drafts.append((draft, target))
            draft.write_bytes(data)
            if target.exists():
                draft.chmod(target.stat().st_mode)
        for draft, target in drafts:
            draft.replace(target)
    except BaseException:
        for draft, _ in drafts:
            draft.unlink(missing_ok=True)
        for parent in sorted(made, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):  # something else is in it
                parent.rmdir()
        raise


OLD_SECONDS = 3600.0
"""A draft of a file that is older than this was left by a process that was killed while it wrote."""


def _draft_prefix(target: Path) -> str:
    """The beginning of the names of a file's drafts; short, since the file's own name may be as long as a name may be."""
    return f".{zlib.crc32(os.fsencode(target.name)):08x}-"


def _delete_old_drafts(target: Path) -> None:
    for draft in target.parent.glob(f"{_draft_prefix(target)}*.new"):
        with suppress(OSError):  # another process has deleted it
            if time.time() - draft.stat().st_mtime > OLD_SECONDS:
                draft.unlink()


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file in full or not at all, as `write_files` does.

    Args:
        path: The file.
        content: A text is written as UTF-8.

    Raises:
        OSError: It cannot be written.
    """
    write_files(path.parent, {path.name: content})


PROBE_BYTES = 1_000_000
"""Bytes that a folder must have room for: less than any sweep writes."""


def check_can_write(folder: Path, what: str) -> None:
    """Check that files can be written into a folder, or into the folder around it that exists, before work begins.

    Args:
        folder: The folder. It need not exist.
        what: What is written there, for the message.

    Raises:
        UserError: No file of `PROBE_BYTES` can be written there.
    """
    existing = next((part for part in (folder, *folder.parents) if part.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=existing) as probe:
            probe.write(b"0" * PROBE_BYTES)
            probe.flush()
    except OSError as error:
        helps = remedy(error.errno, "name another folder") or "name another folder"
        message = f"{what} cannot be written there ({error.strerror or error}): {helps}"
        raise UserError(message, str(existing)) from error


TEMPORARY, LOCK, CONTENT = "branchsweep-", "in-use", "content"
"""Beginning of the names of temporary folders, the file in them that is locked as long as they are used, and what is used."""

SETTLED_SECONDS = 10.0
"""A temporary folder that is younger than this may belong to a process that is about to lock it."""


@contextmanager
def temporary_folder(prefix: str = TEMPORARY, parent: Path | None = None) -> Iterator[Path]:
    """A folder for as long as the context is open. What killed processes have left of the same prefix is deleted first.

    Args:
        prefix: Beginning of its name.
        parent: The folder that it is made in; the system's for temporary files if None.

    Raises:
        OSError: It cannot be made.
    """
    _delete_abandoned(prefix, parent or Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as name, ExitStack() as stack:
        with suppress(OSError, NotImplementedError):  # a file system without locks: such a folder is never abandoned
            stack.enter_context(_lock(Path(name)))
        content = Path(name) / CONTENT
        content.mkdir()
        yield content


@contextmanager
def own_temporary_files() -> Iterator[None]:
    """Context in which all temporary files are in one `temporary_folder`, also those of libraries and of started processes.

    So the next process deletes what this one leaves when it is killed. Where no such folder can be made, nothing is changed.
    """
    before = tempfile.tempdir
    with ExitStack() as stack:
        with suppress(OSError):
            ray = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()  # in which Ray has its record of clusters
            tempfile.tempdir = str(stack.enter_context(temporary_folder()))
            stack.enter_context(environment({"TMPDIR": tempfile.tempdir, "RAY_TMPDIR": ray}))
        try:
            yield
        finally:
            tempfile.tempdir = before


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that are set while the context is open."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _delete_abandoned(prefix: str, parent: Path) -> None:
    """Delete the temporary folders of processes that were killed: nobody holds their locks."""
    for folder in parent.glob(f"{glob.escape(prefix)}*"):
        # it is in use (Timeout is an OSError), of another user, or already deleted
        with suppress(OSError, NotImplementedError):
            if (folder / LOCK).is_file() and time.time() - folder.stat().st_mtime > SETTLED_SECONDS:
                with _lock(folder):
                    shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path) -> FileLock:
    from filelock import FileLock  # noqa: PLC0415  # takes as long to import as all the rest of the command line

    return FileLock(folder / LOCK, timeout=0, thread_local=False)


def give_back_memory() -> None:
    """Returns to the system what was freed here: malloc (glibc's, at least) and Arrow would keep some hundred megabytes."""
    if arrow := sys.modules.get("pyarrow"):
        arrow.default_memory_pool().release_unused()
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  # for a fast start

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)


DEVICE = "device"
"""The name of the environment fact about the device that networks are trained on."""

LIBRARIES = ("tensorflow", "keras", "optuna", "mlflow", "scikit-learn", "numpy", "pandas")


def allow_open_files(needed: int) -> None:
    """Let this process and those that it starts have so many files open at once, where the system leaves that to it.

    Raises:
        UserError: The system allows fewer.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UserError(f"at most {hard} files may be open at once, {needed} are needed; allow more: ulimit -n {needed}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def environment_facts() -> Mapping[str, str]:
    """Versions of the package, of Python and of libraries, and the commit, by name (`version_keras`, `git_commit`)."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # --help needs none

    facts = {"version": version("branchsweep"), "version_python": platform.python_version()}
    for library in LIBRARIES:
        try:
            facts[f"version_{library}"] = version(library)
        except PackageNotFoundError:  # a library that is not installed
            continue
    commit = git_commit()
    return {**facts, "git_commit": commit} if commit else facts


def is_environment_fact(name: str) -> bool:
    """Whether this is the name of a version, of the commit, or of the device."""
    return name.startswith("version") or name in {"git_commit", DEVICE}


def machine_facts() -> Mapping[str, str | int]:
    """The operating system, the kind of processor, and the number of cores that this process may use."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return {"platform": platform.platform(), "processor": platform.machine(), "cores": len(allowed)}


def git_commit() -> str:
    """The commit of the working directory's Git repository; empty if there is none."""
    try:
        process = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)  # noqa: S607  # git where the user has it
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout.strip() if process.returncode == 0 else ""


def cache_folder() -> Path:
    """The folder of files that can be made again: that of the environment variable BRANCHSWEEP_CACHE, or the user's cache."""
    folder = Path(os.environ.get("BRANCHSWEEP_CACHE") or platformdirs.user_cache_dir("branchsweep"))
    try:
        return folder.expanduser()
    except RuntimeError as error:
        raise UserError(f"got the folder '{folder}', whose user is unknown; give its full path", "BRANCHSWEEP_CACHE") from error
