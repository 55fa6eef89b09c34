"""From the values of items to figures with their standard errors. Knows no task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hollama.evaluate.question import Values

INTERVAL = 1.96  # standard errors on either side that 95 % of normally distributed figures lie within


@dataclass(frozen=True)
class Metric:
    """A figure of a task and its standard error, None where one item alone tells of no spread.

    A `share` is a part of 1, printed in percent, of which more is better; of others (perplexities) less is.
    """

    name: str
    value: float
    error: float | None
    share: bool = False


def share(name: str, results: Sequence[Values]) -> Metric:
    """The mean of what the items note under `name`, 0 or 1 each; the error is lm-evaluation-harness's `mean_stderr`."""
    values = np.array([result[name] for result in results])
    return Metric(name, float(values.mean()), _mean_error(values), share=True)


def macro(metrics: Sequence[Metric]) -> Metric:
    """The mean of a figure of several groups, each counted once, however many items it has."""
    errors = [metric.error for metric in metrics if metric.error is not None]
    error = math.hypot(*errors) / len(metrics) if len(errors) == len(metrics) else None
    value = sum(metric.value for metric in metrics) / len(metrics)
    return Metric(f"{metrics[0].name}_macro", value, error, metrics[0].share)


def item_perplexity(results: Sequence[Values]) -> Metric:
    """exp of the mean negative log-likelihood of items, every one counted once. The error is the delta method's."""
    values = np.array([result["logprob"] for result in results])
    return _perplexity("perplexity", -float(values.mean()), _mean_error(values))


def unit_perplexity(name: str, unit: str, results: Sequence[Values]) -> Metric:
    """exp of the negative log-likelihood of all items per unit (token, word, byte), of which items note how many.

    The error is that of a ratio of means, by the delta method.
    """
    return _perplexity(name, *_rate(unit, results))


def bits(name: str, unit: str, results: Sequence[Values]) -> Metric:
    """The negative log-likelihood of all items in bits per unit."""
    rate, error = _rate(unit, results)
    return Metric(name, rate / math.log(2), None if error is None else error / math.log(2))


def _perplexity(name: str, loss: float, error: float | None) -> Metric:
    """Of what is nearly impossible it is beyond floats: infinite, which tells of no spread."""
    try:
        value = math.exp(loss)
    except OverflowError:
        return Metric(name, math.inf, None)
    return Metric(name, value, None if error is None else value * error)


def _rate(unit: str, results: Sequence[Values]) -> tuple[float, float | None]:
    """The loss of all items per unit, and its standard error."""
    lost = -np.array([result["logprob"] for result in results])
    units = np.array([result[unit] for result in results])
    rate = float(lost.sum() / units.sum())
    spread = _mean_error(lost - rate * units)
    return rate, None if spread is None else spread / float(units.mean())


def _mean_error(values: NDArray[np.float64]) -> float | None:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
