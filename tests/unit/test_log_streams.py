"""What comes out of a process is taken up to the mark that ends a run, however it arrives."""

import io
import itertools

import pytest

from local_aws.glue.log_streams import Pump, pieces

MARK = b"\0word\n"


class InPieces(io.BytesIO):
    """A pipe that brings what was written in the pieces in which it was written."""

    def __init__(self, written: list[bytes]) -> None:
        """Bring these."""
        super().__init__()
        self._written = iter(written)

    def read(self, _size: int | None = -1) -> bytes:
        """Return the next piece, nothing at the end."""
        return next(self._written, b"")


@pytest.mark.parametrize("said", [b"", b"one\ntwo", b"a\0b\0", b"a\0wor", MARK[1:]])
def test_a_run_has_said_what_comes_before_the_mark(said):
    """In whatever pieces both arrive, and whatever zeros are in it; the pipe stays open."""
    written = said + MARK
    for first, second in itertools.combinations_with_replacement(range(len(written) + 1), 2):
        pipe = InPieces([part for part in (written[:first], written[first:second], written[second:]) if part])
        assert b"".join(pieces(pipe, MARK)) == said
        assert not pipe.closed


@pytest.mark.parametrize("mark", [MARK, None])
def test_without_a_mark_it_is_all_up_to_the_end(mark):
    """Also what might have been the first part of a mark."""
    pipe = InPieces([b"one\n", b"two\0wo"])
    assert b"".join(pieces(pipe, mark)) == b"one\ntwo\0wo"
    assert pipe.closed


def test_what_is_no_part_of_a_mark_is_not_held_back():
    """A line is seen when it is printed."""
    assert next(pieces(InPieces([b"on\0the way"]), MARK)) == b"on\0the way"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_pump_that_broke_says_so_and_lets_nobody_wait_for_it(tmp_path):
    """Its pipe is closed, and what it did not bring is not taken for the output of the next run."""
    pump = Pump("123456789012", "eu-west-2", "jr", tmp_path / "gone")
    pipes = InPieces([b"one", MARK]), InPieces([b"two", MARK])
    pump.start(*pipes, MARK)
    assert not pump.finish()
    assert [pipe.closed for pipe in pipes] == [True, True]


def test_a_pump_that_has_brought_all_says_so(tmp_path):
    """Up to the mark."""
    pump = Pump("123456789012", "eu-west-2", "jr", tmp_path)
    pump.start(InPieces([b"one", MARK]), InPieces([MARK]), MARK)
    assert pump.finish()
    assert (tmp_path / "stdout").read_bytes() == b"one"
