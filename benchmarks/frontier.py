"""The tables of a comparison, as Markdown.

    londi frontier RUN ... --out DIR
    python benchmarks/frontier.py DIR

The methods in figures; the universal Switcher's curve; returns within each budget, with the
clairvoyant's; and whether any budget was exceeded.
"""

from __future__ import annotations

from pathlib import Path

from arguments import existing, make_parser

from londi.evaluation.curves import Estimate, LimitPoint, read_frontier


def main(folder: Path) -> None:
    """Print them."""
    found = read_frontier(folder)
    print("| method | APGR | of the limit's | londi ahead by | CPT 50 / 80 / 95 | calls saved |")
    print("|---|---|---|---|---|---|")
    for curve in found.curves:
        cpt = " / ".join(f"{rate:.2f}" for rate in curve.cpt)
        cells = [interval(e) for e in (curve.apgr, curve.of_limit, curve.ahead)]
        print(f"| {curve.label} | {' | '.join(cells)} | {cpt} | {interval(curve.saved)} |")
    if found.limit_apgr is not None:
        print(f"| clairvoyant | {found.limit_apgr:.3f} | 1 | | | |")
    print("\n| londi at | call rate | return | 95% interval | IQM | calls saved |")
    print("|---|---|---|---|---|---|")
    for point in found.curves[0].points:
        r = point.result
        cap = "" if r.budget is None else f", n = {r.budget}"
        print(
            f"| {point.setting}{cap} | {r.call_rate:.3f} | {r.return_mean:.3f} |"
            f" {r.return_ci[0]:.3f} .. {r.return_ci[1]:.3f} | {point.iqm:.3f} |"
            f" {r.cost_saved:.0%} |"
        )
    budgets = [p.result.budget for p in found.curves[0].budgets]
    print(f"\n| return with at most | {' | '.join(f'{n} calls' for n in budgets)} |")
    print("|---" * (len(budgets) + 1) + "|")
    for curve in found.curves:
        print(
            f"| {curve.label} |"
            + "|".join(f" {p.result.return_mean:.3f} " for p in curve.budgets)
            + "|"
        )
    if found.limit_budgets:
        best = [found.limit_budgets[n] for n in budgets if n is not None]
        print("| clairvoyant |" + "|".join(f" {between(b)} " for b in best) + "|")
    played = [p.result for c in found.curves for p in c.budgets]
    played += [p.result for p in found.surface if p.result.budget is not None]
    episodes = sum(r.episodes * len(r.seed) for r in played)
    over = sum(r.exceeded * r.episodes * len(r.seed) for r in played)
    print(f"\n{episodes:,} episodes with a budget, {over:.0f} of them over it")


def interval(figure: Estimate | None) -> str:
    """A figure with its interval."""
    return "" if figure is None else f"{figure.value:.3f} ({figure.low:.3f} .. {figure.high:.3f})"


def between(best: LimitPoint) -> str:
    """What is reached, and what is not exceeded where that is more."""
    low, high = f"{best.return_at_least:.3f}", f"{best.return_at_most:.3f}"
    return low if low == high else f"{low} .. {high}"


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("folder", type=existing)
    main(given.parse_args().folder)
