"""Compares the results of the statistical functions with SciPy and NumPy. Argument: the file of cases."""

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

for case in cases["holm"]:
    ps = case["ps"]
    order = np.argsort(ps, kind="stable")
    adjusted = np.empty(len(ps))
    scaled = np.array(ps)[order] * (len(ps) - np.arange(len(ps)))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(scaled))
    for ours, theirs in zip(case["adjusted"], adjusted):
        check(f"Holm of {ps}", ours, float(theirs))

for case in cases["wilson"]:
    if case["all"] == 0:
        check("Wilson of nothing", case["interval"], None)
        continue
    theirs = stats.binomtest(case["counted"], case["all"]).proportion_ci(method="wilson")
    for ours, limit in zip(case["interval"], theirs):
        check(f"Wilson of {case['counted']} of {case['all']}", ours, float(limit))

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
