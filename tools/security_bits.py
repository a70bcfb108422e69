#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""security_bits.py [N log2(QP)]...: bits that the cheapest of two lattice attacks takes, by published formulas.

Without arguments: of the table of limits (docs/SECURITY.md). The formulas are those of the lattice estimator (Albrecht,
Player, Scott: J. Math. Cryptol. 2015, and its successor), in closed form: geometric series assumption, the primal attack
by unique shortest vectors (Alkim, Ducas, Poeppelmann, Schwabe: USENIX Security 2016) with the secret rescaled to the
error's deviation, and the dual distinguisher with sieving's short vectors; lattice reduction with blocks of b costs
2^(0.292 b + 16.4) times 8 d (Becker, Ducas, Gama, Laarhoven: SODA 2016). Hybrid attacks on ternary secrets are not
computed: the guidelines' own run counts them, and their table of limits, which the program enforces, is the promise."""
import math
import sys

ERROR = math.sqrt(10.5)  # of the centred binomial
SECRET = math.sqrt(2 / 3)  # of a uniform ternary coefficient
TABLE = {12: 106, 13: 214, 14: 430, 15: 868, 16: 1747, 17: 3523}


def log2_delta(b):
    """Root Hermite factor that blocks of b reach (Chen 2013)."""
    return math.log2((math.pi * b) ** (1 / b) * b / (2 * math.pi * math.e)) / (2 * (b - 1))


def reduction(b, d):
    return 0.292 * b + 16.4 + math.log2(8 * d)


def primal(n, log2_q):
    """The least block size that finds (s, e), over the number of samples, by bisection on the block."""
    log2_scale = math.log2(ERROR / SECRET)

    def works(b):
        log2_d = log2_delta(b)
        best = -math.inf
        for m in range(n // 4, 2 * n + 1, max(1, n // 64)):
            d = n + m + 1
            volume = (m * log2_q + n * log2_scale) / d
            best = max(best, (2 * b - d - 1) * log2_d + volume)
        return math.log2(ERROR) + math.log2(b) / 2 <= best

    low, high = 60, 4 * n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return reduction(high, 2 * n)


def dual(n, log2_q):
    """The cheapest distinguisher: short vectors of length l give an advantage of exp(-2 pi^2 (l sigma / q)^2)."""
    best = math.inf
    for b in range(60, 4 * n, max(1, n // 512)):
        log2_d = log2_delta(b)
        m = min(2 * n, max(1, round(math.sqrt(n * log2_q / log2_d)) - n))
        d = n + m
        log2_length = d * log2_d + n * (log2_q - math.log2(ERROR / SECRET)) / d
        # sieving gives 2^(0.2075 b) vectors, sqrt(4/3) longer
        log2_length += math.log2(4 / 3) / 2
        exponent = 2 * (log2_length + math.log2(ERROR) - log2_q) + math.log2(2 * math.pi**2)
        if exponent > 12:
            continue
        log2_samples = 2 * 2**exponent / math.log(2)
        repeats = max(0.0, log2_samples - 0.2075 * b)
        best = min(best, reduction(b, d) + repeats)
    return best


def bits(log2_n, log2_q):
    n = 1 << log2_n
    return min(primal(n, log2_q), dual(n, log2_q))


def main():
    numbers = sys.argv[1:]
    pairs = [(int(a).bit_length() - 1 if int(a) > 64 else int(a), float(b)) for a, b in zip(numbers[::2], numbers[1::2])]
    for log2_n, log2_q in pairs or TABLE.items():
        print(f"N = 2^{log2_n}, log2(QP) = {log2_q}: {bits(log2_n, log2_q):.1f} bits")


if __name__ == "__main__":
    main()
