# SPDX-License-Identifier: Apache-2.0
import os
import pathlib

import numpy
import pytest

import obscura

ROOT = pathlib.Path(__file__).resolve().parents[2]
SQUARE = ROOT / "models" / "mnist-square.onnx"


def pixels(count, shape=(1, 28, 28)):
    """Bytes that are not all alike, the same each time."""
    return numpy.random.default_rng(1).integers(0, 256, (count, *shape), numpy.uint8)


@pytest.fixture(scope="session")
def network():
    return obscura.Network(SQUARE)


@pytest.fixture(scope="session")
def one(network):
    """A plan for one image at a time."""
    return network.compile(batch=1)


@pytest.fixture(scope="session")
def batch(network):
    """A plan for thousands."""
    return network.compile(batch=8192)


class Pair:
    """Client and server of a plan, and the client's keys."""

    def __init__(self, plan):
        self.plan, self.client, self.server = plan, obscura.Client(plan.offer), obscura.Server(plan)
        self.keys = self.server.read_keys(self.client.evaluation_keys())


@pytest.fixture(scope="session")
def pair(one):
    return Pair(one)


@pytest.fixture(scope="session")
def batch_pair(batch):
    return Pair(batch)


@pytest.fixture(scope="session")
def server_program():
    program = os.environ.get("OBSCURA_SERVER", "")
    if not os.access(program, os.X_OK):
        pytest.skip("OBSCURA_SERVER names no program obscura-server")
    return program
