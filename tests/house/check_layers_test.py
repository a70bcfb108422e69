#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/check_layers.py accepts a small good tree and rejects each violation planted into it."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = pathlib.Path(__file__).parents[2] / "tools" / "check_layers.py"
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
GOOD = {
    "tools/layers.txt": "base :\nring : base\nckks : ring base\nckks/low :\nckks/mid : low\nckks/high : mid\ncli : *\n",
    "src/base/a.h": SPDX,
    "src/ring/b.h": SPDX + '#include "base/a.h"\n#include <vector>\n',
    "src/ckks/params.h": SPDX + "// insecure_for_tests\n",
    "src/ckks/low/l.h": SPDX + '#include "ring/b.h"\n',
    "src/ckks/mid/m.h": SPDX + '#include "base/a.h"\n#include "ckks/low/l.h"\n',
    "src/ckks/all.cpp": SPDX + '#include "ckks/low/l.h"\n#include "ckks/mid/m.h"\n',
    "src/cli/main.cpp": SPDX + '#include "ckks/mid/m.h"\n#include "ckks/params.h"\n#include "ring/b.h"\n',
    "tests/ckks/x_test.cpp": SPDX + "// insecure_for_tests\n",
}


def check(changes):
    """(exit status, output) of the checker on the good tree with `changes` on top."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**GOOD, **changes}.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, CHECKER, folder], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


class CheckLayers(unittest.TestCase):
    def rejects(self, changes, *words):
        status, output = check(changes)
        self.assertEqual(status, 1, output)
        for word in words:
            self.assertIn(word, output)

    def test_accepts_the_good_tree(self):
        status, output = check({})
        self.assertEqual(status, 0, output)
        self.assertIn("0 violations", output)

    def test_rejects_an_arrow_that_is_not_in_the_table(self):
        self.rejects({"src/base/up.h": SPDX + '#include "ring/b.h"\n'}, "src/base/up.h:2", "base may not include ring")

    def test_rejects_a_cycle_in_the_table(self):
        self.rejects({"tools/layers.txt": "base : ring\nring : base\nckks : ring base\ncli : *\n"}, "not above it")

    def test_rejects_a_folder_that_is_not_in_the_table(self):
        self.rejects({"src/utils/x.h": SPDX}, "src/utils is not in tools/layers.txt")

    def test_rejects_arrows_between_parts_of_a_folder_that_are_not_in_the_table(self):
        self.rejects({"src/ckks/low/up.h": SPDX + '#include "ckks/mid/m.h"\n'}, "src/ckks/low/up.h:2",
                     "ckks/low may not include ckks/mid")
        self.rejects({"src/ckks/high/far.h": SPDX + '#include "ckks/low/l.h"\n'}, "it may include: ckks/mid")
        self.rejects({"src/ckks/low/up.h": SPDX + '#include "ckks/params.h"\n'}, "which stands above it")
        self.rejects({"src/ckks/other/x.h": SPDX}, "src/ckks/other is not in tools/layers.txt")
        self.rejects({"src/ring/up.h": SPDX + '#include "ckks/low/l.h"\n'}, "ring may not include ckks")
        self.rejects({"tools/layers.txt": "base :\nring/low :\nring : base\nckks : ring base\ncli : *\n"},
                     "ring/low stands above ring")

    def test_rejects_an_include_that_is_not_written_from_the_root(self):
        self.rejects({"src/ring/c.h": SPDX + '#include "b.h"\n'}, "src/ring/c.h:2", "not written from src/")
        self.rejects({"src/ring/c.h": SPDX + '#include "../base/a.h"\n'}, "not written from src/")

    def test_rejects_an_include_that_does_not_exist(self):
        self.rejects({"src/ring/c.h": SPDX + '#include "base/none.h"\n'}, "does not exist")

    def test_rejects_ungated_parameters_outside_of_tests(self):
        self.rejects({"src/ckks/encoder.h": SPDX + "// insecure_for_tests\n"}, "insecure_for_tests is for tests only")

    def test_rejects_variables_outside_of_objects(self):
        for line in ("int count = 0;", "std::atomic<std::size_t> limit{0};  // 0: none", "thread_local bool inside = false;",
                     "const char* chosen = nullptr;", "std::map<int, std::vector<const int*>> known;",
                     "unsigned long words[4] = {", "  static std::mutex mutex;", "  static inline int calls = 0;",
                     "  static auto* pools = new int[3];", "  thread_local std::vector<double> scratch;",
                     "  static std::atomic<const int*> kernels{first()};"):
            self.rejects({"src/ring/g.cpp": SPDX + line + "\n"}, "src/ring/g.cpp:2", "outside of objects")
            for program in ("src/cli/g.cpp", "src/ring/main.cpp"):
                self.assertEqual(check({program: SPDX + line + "\n"})[0], 0, line)
        good = ("constexpr int kCount = 3;", "const char* const kName = nullptr;", "inline constexpr double kHalf = 0.5;",
                "  static const std::vector<int> kSets = {", "  static constexpr const char* kNames[] = {", "int f(int x);",
                "  static int make(int x);", "using A = int;", "struct B {", "  int member = 0;", "  auto* local = f;",
                "extern template class C<int>;", "  static inline const std::map<int, int> kNone = {};", "enum class D {")
        self.assertEqual(check({"src/ring/g.cpp": SPDX + "\n".join(good) + "\n"}), (0, check({})[1].replace("8 f", "9 f")))

    def test_rejects_a_long_file(self):
        self.rejects({"tests/base/long.cpp": SPDX + "\n" * 500}, "501 lines")
        self.assertEqual(check({"tests/base/long.cpp": SPDX + "\n" * 499})[0], 0)

    def test_rejects_a_file_without_a_licence(self):
        self.rejects({"src/base/free.h": "#pragma once\n"}, "src/base/free.h:1", "licence")

    def test_rejects_contracts_and_comments_out_of_their_columns(self):
        self.rejects({"src/base/c.h": SPDX + "/// Reads it. errors  io\n"}, "src/base/c.h:2", "begins its line")
        self.rejects({"src/base/c.h": SPDX + "// " + "x" * 118 + "\n"}, "src/base/c.h:2", "121 columns")
        good = SPDX + "/// Reads it.\n/// errors  io\n// " + "x" * 117 + "\n"
        self.assertEqual(check({"src/base/c.h": good})[0], 0)


if __name__ == "__main__":
    unittest.main()
