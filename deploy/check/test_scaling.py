"""The table of `docs/scaling.md` is what its formulas say, with the figures that it counts with. `UPDATE=1` writes it anew."""

import math
import os
import re
import unittest

import tools

PAGE = os.path.join(tools.ROOT, "docs", "scaling.md")
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->"
HEAD = ["clicks a day", "peak", "traffic", "postback", "partitions", "consumers", "CH cores", "shards", "topics", "CH a day", "MongoDB a year", "away"]
SIZES = {"100 thousand": 1e5, "1 million": 1e6, "10 million": 1e7, "100 million": 1e8, "a billion": 1e9}
DAY = 86_400
JOURNAL = 8 << 30
UNITS = {"": 1, "million": 1e6, "kB": 1e3, "bytes": 1}


def size(amount):
    """Two figures of it, in the unit that fits."""
    for unit in ("MB", "GB", "TB"):
        amount /= 1e6 if unit == "MB" else 1e3
        if amount < 995:
            break
    return f"{float(f'{amount:.2g}'):g} {unit}"


def length(seconds):
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * DAY else f"{seconds / DAY:,.0f} days"


def row(name, clicks, of):
    peak = 5 * clicks / DAY
    traffic = max(2, math.ceil(peak / of["A"]) + 1)
    postback = max(2, math.ceil(0.05 * peak / of["P"]) + 1)
    consumers = math.ceil(2.5 * clicks / DAY / of["I"])
    cores = max(2, math.ceil(7 * clicks / (of["R"] * 10)))
    return [name, f"{math.ceil(peak):,}/s", traffic, postback, 12, consumers, cores, max(consumers, math.ceil(cores / 32)),
            size(clicks * of["E"] * 3 * 7), size(clicks * of["C"]), size(0.02 * clicks * of["M"] * 365), length(JOURNAL / (peak * of["E"] / traffic))]


class Table(unittest.TestCase):
    def test_it_is_what_the_formulas_say(self):
        with open(PAGE, encoding="utf-8") as file:
            page = file.read()
        counted = re.findall(r"\| `([A-Z])` = ([\d.,]+) ?(\w*) \|", page)
        of = {letter: float(number.replace(",", "")) * UNITS[unit] for letter, number, unit in counted}
        self.assertEqual(set(of), set("APIRECM"))
        rows = [HEAD, ["---"] * len(HEAD), *(row(name, clicks, of) for name, clicks in SIZES.items())]
        table = "".join(f"| {' | '.join(map(str, cells))} |\n" for cells in rows)
        before, rest = page.split(BEGIN)
        there, after = rest.split(END)
        if os.environ.get("UPDATE") == "1":
            with open(PAGE, "w", encoding="utf-8") as file:
                file.write(before + BEGIN + table + END + after)
        else:
            self.assertEqual(there, table)


if __name__ == "__main__":
    unittest.main()
