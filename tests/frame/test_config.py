"""Settings from the environment, Ollama's rules."""

import math

import pytest

from hollama.config import load_settings, parse_host
from hollama.duration import format_duration, parse_duration
from hollama.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        (":8080", "http://127.0.0.1:8080"),
        ("example.com", "http://example.com:11434"),
        ("example.com:56789", "http://example.com:56789"),
        ("http://example.com", "http://example.com:80"),
        ("https://example.com", "https://example.com:443"),
        ("https://example.com/api/", "https://example.com:443/api"),
        ("example.com:99999", "http://example.com:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:1337", "http://[::1]:1337"),
        ("[::]", "http://[::1]:11434"),
        ("ollama.com", "https://ollama.com:443"),
    ],
)
def test_hosts(text, url):
    assert parse_host(text).url == url


def test_defaults():
    settings = load_settings({})
    assert (settings.keep_alive, settings.max_queue, settings.backend) == (300, 512, "emulator")
    assert settings.models.parts[-2:] == (".ollama", "models")
    assert "http://localhost:*" in settings.origins
    assert "app://*" in settings.origins


def test_our_own_variables_win_and_quotes_are_dropped():
    settings = load_settings({"OLLAMA_HOST": "a", "HOLLAMA_HOST": ' "b:1" ', "OLLAMA_MODELS": "'/m'"})
    assert settings.host.url == "http://b:1"
    assert str(settings.models) == "/m"


@pytest.mark.parametrize(
    ("value", "seconds"), [("10", 10), ("1h30m", 5400), ("-1", math.inf), ("-5m", math.inf), ("0", 0), ("", 300)]
)
def test_keep_alive(value, seconds):
    assert load_settings({"OLLAMA_KEEP_ALIVE": value}).keep_alive == seconds


def test_a_bad_number_means_the_default_and_any_word_means_true():
    settings = load_settings({"OLLAMA_MAX_QUEUE": "many", "OLLAMA_DEBUG": "yes", "OLLAMA_NOPRUNE": "false"})
    assert (settings.max_queue, settings.debug, settings.noprune) == (512, True, False)


@pytest.mark.parametrize("origin", ["example.com", "https://*.*.com"])
def test_a_bad_origin_stops_the_start(origin):
    with pytest.raises(ConfigError, match="ORIGINS"):
        load_settings({"OLLAMA_ORIGINS": origin})


@pytest.mark.parametrize("origin", ["*", "chrome-extension://*", "https://example.com"])
def test_good_origins(origin):
    assert load_settings({"OLLAMA_ORIGINS": origin}).origins[0] == origin


def test_a_bad_duration_stops_the_start():
    with pytest.raises(ConfigError, match=r"KEEP_ALIVE.*invalid duration"):
        load_settings({"OLLAMA_KEEP_ALIVE": "soon"})


@pytest.mark.parametrize(
    ("text", "seconds"), [("300ms", 0.3), ("1h30m", 5400), ("-1m", -60), ("1.5h", 5400), ("0", 0), ("2us", 2e-6)]
)
def test_durations_are_read_as_go_does(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "words"),
    [("10", "missing unit"), ("", "invalid duration"), ("x", "invalid duration"), ("1d", 'unknown unit "d"')],
)
def test_bad_durations_in_gos_words(text, words):
    with pytest.raises(ValueError, match=f"time: {words}"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0s"), (1, "1ns"), (1500, "1.5µs"), (130_079_000, "130.079ms"), (4_535_599_167, "4.535599167s"),
     (3_723_000_000_000, "1h2m3s"), (60_000_000_000, "1m0s"), (-2_000_000, "-2ms")],
)  # fmt: skip
def test_durations_are_printed_as_go_does(nanoseconds, text):
    assert format_duration(nanoseconds) == text


def test_the_log_and_the_end():
    settings = load_settings({"HOLLAMA_LOG_FORMAT": "json", "HOLLAMA_GRACE": "2m", "OLLAMA_DEBUG": "2"})
    assert (settings.log_format, settings.grace, settings.debug) == ("json", 120, True)
    assert load_settings({"HOLLAMA_GRACE": "-1"}).grace == 86400
    with pytest.raises(ConfigError, match="LOG_FORMAT"):
        load_settings({"HOLLAMA_LOG_FORMAT": "xml"})
