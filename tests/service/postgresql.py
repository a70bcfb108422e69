#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of its own for tests: a new cluster in a temporary folder, reached by a socket there alone.
    postgresql.py COMMAND...     runs it with $OBSCURA_TEST_POSTGRESQL, keywords of libpq that a database's name is to be
                                 put behind; exit status 77: PostgreSQL's server is absent"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


def programs():
    """The folder of initdb and pg_ctl, or None."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    here = shutil.which("initdb")
    return found[-1].parent if found else pathlib.Path(here).parent if here else None


class Cluster:
    """Its processes end with the scope. PostgreSQL refuses to run as root, and runs as its own user there."""

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="obscura-postgresql-"))
        self.user = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
            self.user = ["runuser", "-u", "postgres", "--"]
        self.call("initdb", "-D", self.folder / "data", "-A", "trust", "--no-sync", "-U", "obscura", "-E", "UTF8")
        self.call("pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o",
                  f"-k {self.folder} -c listen_addresses='' -c fsync=off -c max_connections=100", "start")
        return self

    def __exit__(self, *_):
        self.call("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, program, *arguments):
        done = subprocess.run([*self.user, programs() / program, *arguments], cwd="/", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}")

    def database(self, name):
        self.call("createdb", "-h", self.folder, "-U", "obscura", name)
        return f"{self.keywords()}{name}"

    def keywords(self):
        return f"host={self.folder} user=obscura dbname="


def main():
    if programs() is None:
        print("postgresql: skipped: no server of PostgreSQL is installed (Debian: postgresql)")
        sys.exit(77)
    with Cluster() as cluster:
        environment = dict(os.environ, OBSCURA_TEST_POSTGRESQL=cluster.keywords())
        status = subprocess.run(sys.argv[1:], env=environment).returncode
    sys.exit(status)


if __name__ == "__main__":
    main()
