"""From the values of items to figures with their standard errors. Knows no task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hollama.evaluate.question import Values

INTERVAL = 1.96  # standard errors on either side that 95 % of normally distributed figures lie within


@dataclass(frozen=True)
class Metric:
    """A figure of a task and its standard error, None where one item alone tells of no spread.

    A `share` is a part of 1, printed in percent, of which more is better; of others (perplexities) less is.
    `pulls` are what each item pulls the figure by (a share) or its logarithm (a perplexity), all items' mean being 0.
    """

    name: str
    value: float
    error: float | None
    share: bool = False
    pulls: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Change:
    """From one model's figure to another's: the difference of shares, else the factor; and its standard error.

    The error is of paired items, which both models were asked: what is hard for both tells of no difference.
    """

    value: float
    error: float | None


def change(old: Metric, new: Metric) -> Change:
    error = None if old.pulls is None or new.pulls is None else _mean_error(new.pulls - old.pulls)
    if old.share:
        return Change(new.value - old.value, error)
    factor = new.value / old.value
    return Change(factor, None if error is None else factor * error)


def share(name: str, results: Sequence[Values]) -> Metric:
    """The mean of what the items note under `name`, 0 or 1 each; the error is lm-evaluation-harness's `mean_stderr`."""
    values = np.array([result[name] for result in results])
    mean = float(values.mean())
    return Metric(name, mean, _mean_error(values), share=True, pulls=values - mean)


def macro(metrics: Sequence[Metric]) -> Metric:
    """The mean of a figure of several groups, each counted once, however many items it has."""
    errors = [metric.error for metric in metrics if metric.error is not None]
    error = math.hypot(*errors) / len(metrics) if len(errors) == len(metrics) else None
    value = sum(metric.value for metric in metrics) / len(metrics)
    return Metric(f"{metrics[0].name}_macro", value, error, metrics[0].share)


def item_perplexity(results: Sequence[Values]) -> Metric:
    """exp of the mean negative log-likelihood of items, every one counted once. The error is the delta method's."""
    values = np.array([result["logprob"] for result in results])
    loss = -float(values.mean())
    return _perplexity("perplexity", loss, -values - loss)


def unit_perplexity(name: str, unit: str, results: Sequence[Values]) -> Metric:
    """exp of the negative log-likelihood of all items per unit (token, word, byte), of which items note how many.

    The error is that of a ratio of means, by the delta method.
    """
    return _perplexity(name, *_rate(unit, results))


def bits(name: str, unit: str, results: Sequence[Values]) -> Metric:
    """The negative log-likelihood of all items in bits per unit."""
    rate, pulls = _rate(unit, results)
    error = _mean_error(pulls)
    return Metric(name, rate / math.log(2), None if error is None else error / math.log(2), pulls=pulls / rate)


def _perplexity(name: str, loss: float, pulls: NDArray[np.float64]) -> Metric:
    """Of what is nearly impossible it is beyond floats: infinite, which tells of no spread."""
    error = _mean_error(pulls)
    try:
        value = math.exp(loss)
    except OverflowError:
        return Metric(name, math.inf, None)
    return Metric(name, value, None if error is None else value * error, pulls=pulls)


def _rate(unit: str, results: Sequence[Values]) -> tuple[float, NDArray[np.float64]]:
    """The loss of all items per unit, and what each item pulls it by."""
    lost = -np.array([result["logprob"] for result in results])
    units = np.array([result[unit] for result in results])
    rate = float(lost.sum() / units.sum())
    return rate, (lost - rate * units) / float(units.mean())


def _mean_error(values: NDArray[np.float64]) -> float | None:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
