// SPDX-License-Identifier: Apache-2.0
#include "compile/front/sparse.h"

#include <gmock/gmock.h>

namespace obscura::compile {
namespace {

using ::testing::ElementsAre;

/// [[1, 2, .], [., ., 3]]
SparseMatrix sample() {
  SparseMatrix m;
  m.cols = 3;
  m.push(0, 1);
  m.push(1, 2);
  m.end_row();
  m.push(2, 3);
  m.end_row();
  return m;
}

TEST(Sparse, MultipliesVectors) {
  const std::vector<double> x{1, 10, 100};
  EXPECT_THAT(multiply(sample(), x), ElementsAre(21, 300));
  EXPECT_THAT(multiply(sample(), std::vector<double>{2}), ElementsAre(6, 6));
}

TEST(Sparse, ProductIsTheCompositionAndStopsAtItsLimit) {
  SparseMatrix second;  // [[1, 1]]
  second.cols = 2;
  second.push(0, 1);
  second.push(1, 1);
  second.end_row();
  const auto both = product(second, sample(), 3);
  ASSERT_TRUE(both.has_value());
  EXPECT_THAT(both->value, ElementsAre(1, 2, 3));
  EXPECT_THAT(both->column, ElementsAre(0, 1, 2));
  EXPECT_FALSE(product(second, sample(), 2).has_value());
}

TEST(Sparse, SumsMergeEntries) {
  SparseMatrix other = sample();
  other.column[0] = 2;
  other.column[1] = 1;
  std::swap(other.column[0], other.column[1]);
  const SparseMatrix total = sum(sample(), other);  // [[1, 2 + 1, 2], [., ., 6]]
  EXPECT_THAT(total.value, ElementsAre(1, 3, 2, 6));
  EXPECT_THAT(total.column, ElementsAre(0, 1, 2, 2));
}

TEST(Sparse, ScalesRowsAndColumns) {
  SparseMatrix m = sample();
  scale_rows(m, std::vector<double>{2, 3});
  EXPECT_THAT(m.value, ElementsAre(2, 4, 9));
  scale_columns(m, std::vector<double>{1, 0.5, 2});
  EXPECT_THAT(m.value, ElementsAre(2, 2, 18));
  scale_columns(m, std::vector<double>{0.5});
  EXPECT_THAT(m.value, ElementsAre(1, 1, 9));
}

}  // namespace
}  // namespace obscura::compile
