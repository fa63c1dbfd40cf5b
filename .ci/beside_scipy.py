"""Compares the results of the statistical functions with SciPy and NumPy. Argument: the file of cases."""

import itertools
import json
import math
import sys

import numpy as np
import scipy
from scipy import stats

LEVEL = 0.05
with open(sys.argv[1]) as file:
    cases = json.load(file)
wrong = []
count = 0


def check(what, ours, theirs, tolerance=1e-9):
    global count
    count += 1
    same = ours == theirs or (
        ours is not None and theirs is not None and math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance)
    )
    if not same:
        wrong.append(f"{what}: {ours}, SciPy: {theirs}")


def numbers(values):
    return np.array([math.inf if value is None else value for value in values])


def p_of(first, second):
    """The exact permutation test over ranks: all assignments of runs to arms."""
    ranks = stats.rankdata(np.concatenate([first, second]))
    middle = (len(ranks) + 1) / 2 * len(first)
    far = lambda x, y, axis: np.abs(x.sum(axis=axis) - middle)
    result = stats.permutation_test(
        (ranks[: len(first)], ranks[len(first) :]),
        far,
        vectorized=True,
        n_resamples=np.inf,
        alternative="greater",
    )
    return result.pvalue


for at, case in enumerate(cases["groups"]):
    first, second = numbers(case["first"]), numbers(case["second"])
    everything = np.concatenate([first, second])
    ties = len(set(everything)) < len(everything)
    name = f"group {at} ({len(first)} and {len(second)})"
    with np.errstate(invalid="ignore"):
        differences = np.subtract.outer(second, first).ravel()
    differences[np.isnan(differences)] = 0
    if not case["drawn"]:
        check(f"p of {name}", case["p"], float(p_of(first, second)))
    if not ties:
        exact = float(stats.mannwhitneyu(first, second, method="exact").pvalue)
        error = 4.5 * math.sqrt(exact * (1 - exact) / 20_000) + 1e-4 if case["drawn"] else 1e-9
        count += 1
        if abs(exact - case["p"]) > error:
            wrong.append(f"p of {name}: {case['p']}, Mann-Whitney: {exact}")
    with np.errstate(invalid="ignore"):
        middle = np.median(differences)
    check(f"shift of {name}", case["shift"], float(middle) if math.isfinite(middle) else None)
    if case["interval"] is None or case["drawn"]:
        continue
    # inversion of the test: it does not reject just inside a limit, and rejects just outside
    step = 0.25  # all values are integers, and so are the shifts at which ranks change
    for limit, outwards in zip(case["interval"], (-1, 1)):
        count += 1
        outside = p_of(first, second - (limit + outwards * step))
        at_it = p_of(first, second - limit)
        inside = p_of(first, second - (limit - outwards * step))
        # with ties, a limit can be the only shift that is not rejected
        if outside > LEVEL or max(at_it, inside) <= LEVEL:
            wrong.append(f"interval of {name}: p around {limit} is {outside}, {at_it}, {inside}")

def p_of_splits(row, size):
    """For every split of a row, the share of splits whose ranks are at least as far apart. The observed one is first."""
    ranks = stats.rankdata(row)
    splits = np.array(list(itertools.combinations(range(len(row)), size)))
    # doubled, so that they are integers
    distances = np.abs(np.rint(2 * ranks[splits].sum(axis=1)) - size * (len(row) + 1)).astype(int)
    return (distances[None, :] >= distances[:, None]).mean(axis=1)


for at, case in enumerate(cases["families"]):
    p = np.array([p_of_splits(row, case["first"]) for row in map(numbers, case["rows"])])
    adjusted, least = np.empty(len(p)), 0.0
    order = np.argsort(p[:, 0], kind="stable")
    for place, row in enumerate(order):
        # step-down minimum p (Westfall and Young): the row and all rows with greater p
        minimum = p[order[place:]].min(axis=0)
        least = max(least, (minimum <= p[row, 0] + 1e-12).mean())
        adjusted[row] = least
    for row in range(len(p)):
        check(f"p of row {row} of family {at}", case["p"][row], float(p[row, 0]))
        check(f"adjusted p of row {row} of family {at}", case["adjusted"][row], float(adjusted[row]))

for case in cases["outcomes"]:
    (x, n), (y, m) = case["before"], case["after"]
    # SciPy's maximum is that of its random points and a local search: it can be a little too small
    theirs = stats.boschloo_exact([[x, y], [n - x, m - y]], n=256).pvalue
    check(f"Boschloo of {x} of {n} and {y} of {m}", case["p"], float(theirs), 1e-5)

for case in cases["limits"]:
    name = f"limits of {case['failed']} of {case['valid']}"
    if case["valid"] == 0:
        count += 1
        if (case["interval"], case["upper"], case["lower"]) != (None, None, None):
            wrong.append(f"{name}: {case}")
        continue
    test = stats.binomtest(case["failed"], case["valid"])
    for ours, limit in zip(case["interval"], test.proportion_ci(0.95, method="exact")):
        check(name, ours, float(limit))
    less = stats.binomtest(case["failed"], case["valid"], alternative="less")
    check(f"upper {name}", case["upper"], float(less.proportion_ci(0.95, method="exact").high))
    greater = stats.binomtest(case["failed"], case["valid"], alternative="greater")
    check(f"lower {name}", case["lower"], float(greater.proportion_ci(0.95, method="exact").low))

for case in cases["quantile"]:
    check("quantile", case["quantile"], float(np.quantile(case["values"], case["share"])))

for case in cases["least"]:
    size = case["size"]
    theirs = stats.mannwhitneyu(range(size), range(size, 2 * size), method="exact").pvalue
    check(f"least p of {size}", case["p"], float(theirs))

for case in cases["needed"]:
    size = 1
    while 2 / math.comb(2 * size, size) > LEVEL / case["tests"]:
        size += 1
    check(f"runs for {case['tests']} tests", case["size"], size)

for line in wrong[:20]:
    print(line)
print(f"{count} values compared with SciPy {scipy.__version__}: {len(wrong)} differ")
sys.exit(bool(wrong))
