"""Progress for logs and for people."""

import io

from hollama.cli.progress import PlainProgress, Step, TerminalProgress, progress, spinner, step_line


def test_plain_lines_say_each_thing_once() -> None:
    out = io.StringIO()
    with progress(out) as shown:
        shown.status("parsing GGUF")
        for done in range(0, 101, 10):
            shown.advance("copying file", done, 100)
        shown.status("success")
    assert out.getvalue().splitlines() == ["parsing GGUF", "copying file", "copying file 100%", "success"]


def test_no_escapes_without_a_terminal() -> None:
    out = io.StringIO()
    with spinner(out, "starting"):
        PlainProgress(out).status("x")
    assert "\x1b" not in out.getvalue()


def test_a_status_turns_until_it_is_done() -> None:
    assert step_line(Step("writing manifest"), 80, "⠋") == "writing manifest ⠋"
    assert step_line(Step("writing manifest", done=True), 80, "⠋") == "writing manifest"


def test_a_bar_fills_the_line() -> None:
    step = Step("copying", 450_000_000, 1_000_000_000)
    line = step_line(step, 60, "")
    assert line.startswith("copying:  45% ▕█")
    assert "▏ 450 MB/  1 GB" in line
    assert len(line) == 59


def test_a_bar_knows_speed_and_time_left() -> None:
    step = Step("copying", 0, 10**9)
    for second, done in enumerate((0, 100_000_000, 200_000_000)):
        step.completed = done
        step.sample(float(second))
    assert step_line(step, 100, "").rstrip().endswith("100 MB/s     8s")


def test_steps_that_are_no_bytes_are_counted() -> None:
    assert step_line(Step("layer", 3, 24, sizes=False), 60, "").endswith("▏ 3/24")
    step = Step("layer", 0, 24, sizes=False)
    for done in range(3):
        step.completed = done
        step.sample(20.0 * done)
    assert step_line(step, 60, "").endswith("▏ 2/24  7m20s")


def test_a_finished_bar_has_only_its_size() -> None:
    assert step_line(Step("copying", 2_019_000_000, 2_019_000_000), 60, "").endswith("▏ 2.0 GB")


def test_a_narrow_terminal_cuts() -> None:
    assert len(step_line(Step("a long text about a long file", 1, 2), 20, "")) == 19


def test_redrawing_goes_back_over_its_own_lines() -> None:
    out = io.StringIO()
    drawn = TerminalProgress(out)
    drawn.status("one")
    drawn.advance("two", 1, 2)
    drawn.draw()
    drawn.finish(keep=True)
    assert "\x1b[2A" in out.getvalue()
    assert "one\n" in out.getvalue()
