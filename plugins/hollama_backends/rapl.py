"""What the CPUs have used of energy, as Linux counts it (RAPL: Intel's, and AMD's too). Knows no model."""

from __future__ import annotations

from pathlib import Path

_DOMAINS = Path("/sys/class/powercap")


def energy(domains: Path = _DOMAINS) -> float | None:
    """Joules of all CPU packages since some moment; None where there are no counters, or only root may read them."""
    try:
        packages = [each for each in domains.glob("intel-rapl:*") if (each / "name").read_text().startswith("package")]
        microjoules = [int((each / "energy_uj").read_text()) for each in packages]
    except (OSError, ValueError):
        return None
    return sum(microjoules) / 1e6 if microjoules else None
