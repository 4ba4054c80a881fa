"""Figures: the ratio of two cases of the same rounds, and how a table of them is printed."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """How often the time of a case contains that of its yardstick, and what is aimed at (None: for information).

    times and yardstick are seconds, one of each per round.
    """

    name: str
    times: Sequence[float]
    yardstick: Sequence[float]
    aim: float | None = None

    @property
    def ratios(self) -> list[float]:
        """The ratio of each round."""
        return [time / other for time, other in zip(self.times, self.yardstick, strict=True)]


def show(title: str, figures: Sequence[Figure], rounds: int) -> None:
    """Print a table of figures: medians over all rounds, the quartiles of the ratio, and that of the shortest times."""
    print(f"\n{title} (median of {rounds} rounds)\n")
    width = max(len(figure.name) for figure in figures)
    print(f"  {'':{width}}  ratio     aim   quartiles    of minima         time")
    for figure in figures:
        low, ratio, high = statistics.quantiles(figure.ratios, n=4, method="inclusive")
        aim = "" if figure.aim is None else f"<= {figure.aim:.1f}"
        missed = "  above the aim" if figure.aim is not None and ratio > figure.aim else ""
        milliseconds = statistics.median(figure.times) * 1000
        time = f"{milliseconds:8.{1 if milliseconds >= 10 else 3}f}"
        spread = f"{low:.2f} - {high:.2f}"
        least = f"{min(figure.times) / min(figure.yardstick):9.2f}"
        print(f"  {figure.name:{width}}  {ratio:5.2f}  {aim:>6}  {spread:>12}  {least}  {time} ms{missed}")
