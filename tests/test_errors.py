"""Messages: where, what, and the nearest valid word."""

from __future__ import annotations

import errno

import pytest

from branchsweep import errors
from message_values import message_values


def test_a_message_begins_with_its_location() -> None:
    message = "got 3, expected 4"
    assert str(errors.ConfigError(message, where="x.yaml:2")) == f"x.yaml:2: {message}"
    assert str(errors.DataError(message)) == message


def test_an_error_of_several_mistakes_has_a_line_and_fields_for_each() -> None:
    mistakes = [errors.Mistake("x.yaml:2", "seed", "got 'a'"), errors.Mistake("y.yaml", "", "got 3")]
    error = errors.ConfigError.of(mistakes)
    assert (error.where, error.mistakes) == ("x.yaml:2", tuple(mistakes))
    assert str(error).splitlines() == ["x.yaml:2: seed: got 'a'", "y.yaml: got 3"]
    assert errors.ConfigError("got 3", "z.yaml").mistakes == (errors.Mistake("z.yaml", "", "got 3"),)


@pytest.mark.parametrize(
    ("given", "valid", "near"),
    [
        ("mea", ("mse", "mae", "huber"), "mae"),
        ("EP", ("AT", "V", "AP", "RH", "PE"), "PE"),
        ("pe", ("V", "PE"), "PE"),
        ("trunk.dpeth", ("branch.depth", "trunk.width", "trunk.depth"), "trunk.depth"),
        ("adm", ("adam", "sgd"), "adam"),
        ("epoch", ("epochs", "keep"), "epochs"),
        ("quantile", ("mse", "mae"), ""),
        ("x", (), ""),
    ],
)
def test_the_nearest_word(given: str, valid: tuple[str, ...], near: str) -> None:
    assert errors.nearest(given, valid) == near
    assert message_values(errors.did_you_mean(given, valid)) == ([f"'{near}'"] if near else [])


def test_every_error_is_a_user_error_and_in_the_drawn_tree() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and value.__module__ == errors.__name__]
    error_classes = [value for value in classes if issubclass(value, Exception) and not issubclass(value, Warning)]
    assert len(error_classes) > 1
    assert all(issubclass(value, errors.UserError) for value in error_classes)
    for name in (value.__name__ for value in error_classes):
        assert name in str(errors.__doc__), f"{name} is missing in the drawing of the tree"


def test_no_word_is_near_to_one_of_thousands_of_letters() -> None:
    assert errors.nearest("mea" * 1000, ("mse", "mae")) == ""


@pytest.mark.parametrize(
    ("count", "further", "last"),
    [(20, 0, "line 19"), (21, 0, "and 1 more mistake"), (3, 5, "and 5 more mistakes"), (30, 5, "and 15 more mistakes")],
)
def test_at_most_twenty_mistakes_are_named(count: int, further: int, last: str) -> None:
    lines = errors.first_mistakes([f"line {number}" for number in range(count)], further)
    assert lines[-1] == last
    assert len(lines) <= errors.MOST_MISTAKES + 1


def test_a_printed_message_has_no_endless_words_and_no_controls_of_the_terminal() -> None:
    assert errors.printable("got 3, expected 4\nx.yaml:2: 'é'") == "got 3, expected 4\nx.yaml:2: 'é'"
    assert errors.printable("a\x1b[31mb\rc\x9bd") == r"a\x1b[31mb\rc\x9bd"
    assert len(errors.printable(f"got {'x' * 10**6}: {'y ' * 10**6}")) < 4000


def test_control_characters_of_names_neither_break_lines_nor_turn_the_direction_of_writing() -> None:
    assert errors.escape_controls("a\nb\tc\u202ed\x07") == r"a\nb\tc\u202ed\x07"
    mistakes = [errors.Mistake("x.yaml:1", "a\nb", "unknown key"), errors.Mistake("x.yaml:2", "c", "got 'd\ne'")]
    assert len(str(errors.ConfigError.of(mistakes)).split("\n")) == len(mistakes)
    assert "\n" not in str(errors.ConfigError("got 'a\nb'", "x\n.yaml"))


def test_the_last_line_of_a_traceback_is_the_message() -> None:
    error = ConnectionAbortedError(
        "Initialization failure from server:\nTraceback (most recent call last):\n  …\nOSError: full\n"
    )
    assert errors.first_line(error) == "Initialization failure from server: OSError: full"
    assert errors.first_line(ValueError("one\ntwo")) == "one"
    assert errors.first_line(ValueError()) == "ValueError"
    assert errors.first_line(ValueError("x" * 400)) == "x" * 299 + "…"


def test_the_reason_is_the_innermost_cause() -> None:
    """MLflow does not name the network's error as the cause of its own."""

    def chained(message: str, names_cause: bool) -> BaseException:
        error, cause = RuntimeError(message), OSError("refused\nindeed")
        error.__context__, error.__cause__ = cause, cause if names_cause else None
        return error

    assert errors.reason(chained("it failed", names_cause=True)) == "refused"
    assert errors.reason(chained("the request failed with exception x", names_cause=False)) == "refused"
    assert errors.reason(chained("it failed", names_cause=False)) == "it failed"


@pytest.mark.parametrize(
    ("code", "helps"),
    [
        (errno.ENOSPC, "free space on that disk, or name another folder"),
        (errno.EMFILE, "allow more open files at once, such as with: ulimit -n 1024"),
        (errno.EPIPE, ""),
        (None, ""),
    ],
)
def test_the_remedy_for_a_fault_of_the_path_names_another_one(code: int | None, helps: str) -> None:
    assert errors.remedy(code, "name another folder") == helps


@pytest.mark.parametrize(
    "text",
    [
        "/x/https:/u:MARK@127.0.0.1:1/t.csv?token=MARK: got a file",
        "got 'postgresql://u:MARK@h/db', expected 'ccpp'",
        "got 'https://u:MA/MARK@h/space.yaml'",
        "http://bob:P@MARK@h: no",
        "t.csv?password=MARK: no such file",
        "http://host/x?a=1&api_key=MARK&b=2",
        "https://host/t.csv?sv=1&sig=MARK",
    ],
)
def test_a_url_in_a_message_hides_its_secrets(text: str) -> None:
    assert "MARK" not in str(errors.UserError(text))
    assert "MARK" not in str(errors.UserError("no such file", where=text))


@pytest.mark.parametrize(
    "text", ["models:/plant@champion", "C:/Users/a@b/x.csv: no such file", "ada@gpu1 (pid 3)", "http://host:5000/#/x?a=1"]
)
def test_a_message_without_secrets_is_not_changed(text: str) -> None:
    assert str(errors.UserError(text)) == text
