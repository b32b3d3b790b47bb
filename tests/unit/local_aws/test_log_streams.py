"""The output of a process is copied up to the mark at the end of a run, in any chunks."""

import io
import itertools

import pytest

from local_aws.glue.jobs.log_streams import Pump, pieces

MARK = b"\0word\n"


class ChunkedPipe(io.BytesIO):
    """A pipe that returns the chunks in which it was written."""

    def __init__(self, written: list[bytes]) -> None:
        """Return these chunks."""
        super().__init__()
        self._written = iter(written)

    def read(self, _size: int | None = -1) -> bytes:
        """Return the next chunk, or nothing at the end."""
        return next(self._written, b"")


@pytest.mark.parametrize("output", [b"", b"one\ntwo", b"a\0b\0", b"a\0wor", MARK[1:]])
def test_output_ends_before_the_mark(output):
    """For every split into chunks, and with null bytes in the output; the pipe stays open."""
    written = output + MARK
    for first, second in itertools.combinations_with_replacement(range(len(written) + 1), 2):
        pipe = ChunkedPipe([part for part in (written[:first], written[first:second], written[second:]) if part])
        assert b"".join(pieces(pipe, MARK)) == output
        assert not pipe.closed


@pytest.mark.parametrize("mark", [MARK, None])
def test_output_without_a_mark_ends_with_the_pipe(mark):
    """Including the beginning of a possible mark."""
    pipe = ChunkedPipe([b"one\n", b"two\0wo"])
    assert b"".join(pieces(pipe, mark)) == b"one\ntwo\0wo"
    assert pipe.closed


def test_output_that_cannot_be_a_mark_is_returned_at_once():
    """A line is visible when it is printed."""
    assert next(pieces(ChunkedPipe([b"on\0time"]), MARK)) == b"on\0time"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_failed_pump_reports_it_and_blocks_no_one(tmp_path):
    """Its pipe is closed, and the rest is not taken for the output of the next run."""
    pump = Pump("123456789012", "eu-west-2", "jr", tmp_path / "gone")
    pipes = ChunkedPipe([b"one", MARK]), ChunkedPipe([b"two", MARK])
    pump.start(*pipes, MARK)
    assert not pump.finish()
    assert [pipe.closed for pipe in pipes] == [True, True]


def test_successful_pump_reports_it(tmp_path):
    """After the mark."""
    pump = Pump("123456789012", "eu-west-2", "jr", tmp_path)
    pump.start(ChunkedPipe([b"one", MARK]), ChunkedPipe([MARK]), MARK)
    assert pump.finish()
    assert (tmp_path / "stdout").read_bytes() == b"one"
