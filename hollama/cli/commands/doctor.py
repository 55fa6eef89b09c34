"""`hollama doctor`: looks at everything that can be wrong, and says what to try."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

from hollama.cli.arguments import add_words, describe, exactly
from hollama.cli.client import Client
from hollama.cli.doctor.finding import Finding
from hollama.cli.doctor.installation import backend_variables, plugin_findings, setting_findings
from hollama.cli.doctor.machine import machine_findings
from hollama.cli.doctor.models import model_findings
from hollama.cli.doctor.server import server_finding
from hollama.config import load_settings
from hollama.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Check this installation. Every line is ok, warn or fail; the exit status is 1 if any fails.",
        "hollama doctor",
        "hollama doctor --full        # and read every blob of every model",
    )
    add_words(parser, "", argparse.SUPPRESS)
    parser.add_argument("--full", action="store_true", help="also read every blob and compare it with its name")


def run(arguments: argparse.Namespace) -> int:
    exactly(0, arguments.words)
    failed = False
    for finding in _findings(arguments.full):
        print("\n".join(finding_lines(finding)), flush=True)
        failed = failed or finding.state == "fail"
    return 1 if failed else 0


def _findings(full: bool) -> Iterator[Finding]:
    yield from machine_findings(os.environ)
    try:
        settings = load_settings(os.environ)
    except ConfigError as error:
        yield Finding("Settings", "fail", str(error))
        return
    yield from plugin_findings(settings)
    yield from model_findings(settings, full)
    yield server_finding(Client(settings.host))
    yield from setting_findings(settings, os.environ, backend_variables(settings.backend))


def finding_lines(finding: Finding) -> list[str]:
    """The finding, and under it what to try."""
    advice = [f"      try: {finding.advice}"] if finding.advice else []
    return [f"{finding.state:<5} {finding.subject}: {finding.detail}", *advice]
