"""How long `import londi` and `londi --help` take: medians of 7 fresh processes each.

python benchmarks/start.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from arguments import make_parser


def seconds(command: list[str]) -> float:
    """The median time that `command` takes from start to end."""
    taken = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    bare = seconds([sys.executable, "-c", "pass"])
    imported = seconds([sys.executable, "-c", "import londi"])
    helped = seconds([sys.executable, "-m", "londi", "--help"])
    print(f"python alone {bare:.2f} s, with import londi {imported:.2f} s")
    print(f"import londi {imported - bare:.2f} s, londi --help {helped:.2f} s")


if __name__ == "__main__":
    make_parser(__doc__).parse_args()
    main()
