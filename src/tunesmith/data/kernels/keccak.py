"""Keccak-256, the hash of Ethereum (SHA-3 before its padding was changed, so not the standard library's sha3_256)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

ROUNDS = 24
RATE = 136  # bytes taken in before the state is mixed


def _round_constants() -> NDArray[np.uint64]:
    """The constants of the 24 rounds, from the linear-feedback register that defines them (FIPS 202, algorithm 5)."""
    constants, register = [], 1
    for _ in range(ROUNDS):
        value = 0
        for power in range(7):
            if register & 1:
                value |= 1 << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(value)
    return np.array(constants, np.uint64)


def _rotations() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For the 24 steps of rho and pi: by how many bits a lane is turned, and where it goes (FIPS 202, 3.2.2-3.2.3)."""
    x, y = 1, 0
    turns, places = [], []
    for step in range(24):
        turns.append((step + 1) * (step + 2) // 2 % 64)
        x, y = y, (2 * x + 3 * y) % 5
        places.append(x + 5 * y)
    return np.array(turns, np.int64), np.array(places, np.int64)


CONSTANTS = _round_constants()
TURNS, PLACES = _rotations()


@njit(cache=True, nogil=True)
def keccak_256(message: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The 32 bytes of the hash of a message shorter than 136 bytes.

    >>> keccak_256(np.zeros(0, np.uint8)).tobytes().hex()[:16]
    'c5d2460186f7233c'
    """
    block = np.zeros(RATE, np.uint8)
    block[: len(message)] = message
    block[len(message)] ^= np.uint8(1)
    block[RATE - 1] ^= np.uint8(0x80)
    state = np.zeros(25, np.uint64)
    state[: RATE // 8] = block.view(np.uint64)
    for number in range(ROUNDS):
        _mix(state, CONSTANTS[number])
    return state[:4].copy().view(np.uint8)


@njit(cache=True, nogil=True)
def _turned(lane: np.uint64, bits: np.int64) -> np.uint64:
    return (lane << np.uint64(bits)) | (lane >> np.uint64(64 - bits))


@njit(cache=True, nogil=True)
def _mix(state: NDArray[np.uint64], constant: np.uint64) -> None:
    """One round: theta, rho and pi, chi, iota."""
    columns = np.zeros(5, np.uint64)
    for lane in range(25):
        columns[lane % 5] ^= state[lane]
    for lane in range(25):
        state[lane] ^= columns[(lane + 4) % 5] ^ _turned(columns[(lane + 1) % 5], 1)
    last = state[1]
    for step in range(24):
        place = PLACES[step]
        state[place], last = _turned(last, TURNS[step]), state[place]
    row = np.zeros(5, np.uint64)
    for first in range(0, 25, 5):
        row[:] = state[first : first + 5]
        for lane in range(5):
            state[first + lane] = row[lane] ^ (~row[(lane + 1) % 5] & row[(lane + 2) % 5])
    state[0] ^= constant
