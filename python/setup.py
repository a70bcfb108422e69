# SPDX-License-Identifier: Apache-2.0
"""The wheel, from the packages of Debian alone:

  /usr/bin/python3 -m build --wheel --no-isolation python

It has the module of C++ and the four shared libraries of Obscura; what these stand on (docs/LIBRARY.md) is the system's.
OBSCURA_BUILD names the CMake build folder; build/release unless said, which is configured where it is not there.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("OBSCURA_BUILD", ROOT / "build" / "release"))


class CMakeBuild(build_ext):
    """The module as CMake builds it, with the libraries beside it."""

    def run(self):
        if not (BUILD / "CMakeCache.txt").exists():
            options = ("-DCMAKE_BUILD_TYPE=Release", "-DOBSCURA_DEVELOPER=OFF", "-DOBSCURA_TRAIN=OFF", "-DOBSCURA_PYTHON=ON")
            subprocess.run(["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", *options], check=True)
        subprocess.run(["cmake", "--build", BUILD, "--target", "obscura_python"], check=True)
        package = pathlib.Path(self.build_lib) / "obscura"
        if self.inplace:
            raise SystemExit("build_ext --inplace: PYTHONPATH=build/release/python has the package in place")
        package.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                ["cmake", "--install", BUILD, "--component", "wheel", "--prefix", folder, "--strip"], check=True
            )
            for file in pathlib.Path(folder).iterdir():
                # A wheel has no links: of a library the one name that is loaded.
                if re.search(r"\.so(\.\d+)?$", file.name):
                    shutil.copyfile(file, package / file.name)


setup(
    version=re.search(r"VERSION (\d+\.\d+\.\d+)", (ROOT / "CMakeLists.txt").read_text().split("project(")[1])[1],
    packages=["obscura", "obscura.torch"],
    package_data={"obscura": ["py.typed", "*.pyi"]},
    ext_modules=[Extension("obscura._core", [])],
    cmdclass={"build_ext": CMakeBuild},
)
