// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "../flow/counting_engine.h"
#include "../flow/tiny_plan.h"
#include "client/client.h"

namespace obscura::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Output {
  std::string text;
  int status = -1;
};

/// Standard output and error of a command, and its exit status.
Output output_of(const std::string& command) {
  Output out;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 4096> buffer;
  while (const std::size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) out.text.append(buffer.data(), n);
  const int status = pclose(pipe);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

TEST(ServerProgram, LinksNothingThatCouldDecrypt) {
  const Output symbols = output_of(std::string(OBSCURA_NM) + " -C " + OBSCURA_SERVER);
  ASSERT_EQ(symbols.status, 0) << symbols.text;
  ASSERT_THAT(symbols.text, HasSubstr("obscura::ckks::")) << "nm sees no symbols of ours at all";
  EXPECT_THAT(symbols.text, Not(HasSubstr("obscura::secret")));
  EXPECT_THAT(symbols.text, Not(HasSubstr("obscura::client")));
  // The same look at the library that may decrypt does find it, so the test can fail.
  EXPECT_THAT(output_of(std::string(OBSCURA_NM) + " -C " + OBSCURA_CLIENT_ARCHIVE).text,
              HasSubstr("obscura::secret::decrypt"));
}

TEST(ServerProgram, ExplainsItselfAndItsErrors) {
  const Output help = output_of(std::string(OBSCURA_SERVER) + " run --help");
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.text, HasSubstr("Example: obscura-server run"));
  const Output absent = output_of(std::string(OBSCURA_SERVER) + " run /nowhere/a.plan --eval e in -o out");
  EXPECT_EQ(absent.status, 1);
  EXPECT_THAT(absent.text, HasSubstr("obscura-server: /nowhere/a.plan: cannot open"));
  EXPECT_NE(output_of(OBSCURA_SERVER).status, 0);
}

wire::NamedPlan named(const plan::Plan& plan) { return wire::read_plan(wire::write_plan(plan), "X").value(); }

TEST(Session, SaysHowMuchMemoryItNeedsWhereThatIsMoreThanAllowed) {
  plan::Plan plan = testing::square_plan();
  const std::uint64_t beside = 1000;
  plan.value_bytes = plan::make_schedule(plan).peak_bytes;
  plan.predicted_bytes = plan.value_bytes + beside;
  const std::uint64_t least = plan::make_schedule(plan, 1).peak_bytes + beside;
  ckks::EvalKeys keys;
  keys.relinearization.emplace_back();
  EXPECT_TRUE(Session::make(named(plan), keys, {.memory = least}).ok());
  const auto refused = Session::make(named(plan), keys, {.memory = least - 1});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::infeasible);
  EXPECT_THAT(refused.error().message, HasSubstr("the plan needs at least"));
}

TEST(Allotment, LessMemoryKeepsFewerDiagonalsBeforeTasksAreSmaller) {
  plan::Plan plan = testing::square_plan();
  const std::uint64_t beside = 1000, kept = 50'000;
  plan.value_bytes = plan::make_schedule(plan).peak_bytes;
  plan.kept_bytes = kept;
  plan.predicted_bytes = plan.value_bytes + beside + kept;
  const auto as_planned = allot(plan, 0).value();
  EXPECT_EQ(as_planned.kept, kept);
  EXPECT_EQ(as_planned.bytes, plan.predicted_bytes);
  EXPECT_EQ(allot(plan, 2 * plan.predicted_bytes)->kept, kept) << "more is no use to a plan";
  const auto less = allot(plan, plan.predicted_bytes - kept / 2).value();
  EXPECT_EQ(less.kept, kept / 2);
  EXPECT_EQ(less.schedule.tasks.size(), as_planned.schedule.tasks.size());
  EXPECT_EQ(allot(plan, plan.predicted_bytes - kept)->kept, 0U);
  const auto once = allot(plan, 0, Batches::one).value();
  EXPECT_EQ(once.kept, 0U) << "they would be used once";
  EXPECT_EQ(once.bytes, plan.predicted_bytes - kept);
}

TEST(Session, NamesTheKeyThatAPlanLacks) {
  const auto session = Session::make(named(testing::square_plan()), {});
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.error().code, Code::missing_key);
}

TEST(Session, OfTheSameResourcesSharesTablesAndLeavesNoMemory) {
  const auto plan = named(testing::square_plan());
  auto resources = ckks::Resources::make(*kernels::named("portable"));
  const std::weak_ptr<ckks::Resources> watched = resources;
  {
    const auto client = client::Client::generate(wire::make_offer(plan), resources).value();
    const auto one = Session::make(plan, client.make_eval_keys(), {.resources = resources}).value();
    const std::size_t of_one = resources->mapped_bytes();
    {
      auto keys = client.make_eval_keys();
      // As of a client with many keys.
      keys.relinearization.resize(200, keys.relinearization.front());
      Session session = Session::make(plan, std::move(keys), {.resources = resources}).value();
      const auto other = share({std::move(session), {}});
      EXPECT_EQ(&one.context()->basis().table(0), &other->session.context()->basis().table(0));
      EXPECT_GT(resources->mapped_bytes(), of_one);
    }
    EXPECT_LE(resources->mapped_bytes(), of_one);
    resources.reset();
    EXPECT_EQ(&one.context()->basis().table(0), &client.context()->basis().table(0));
    EXPECT_STREQ(one.context()->kernels().name, "portable");
    const auto outputs = one.run_batch(client.encrypt(testing::random_pixels(1)).value()).value();
    EXPECT_EQ(outputs.front().parts.size(), 2U);
  }
  EXPECT_TRUE(watched.expired());
}

TEST(Session, ThrowsWhereInputsAreNotThePlans) {
  const auto plan = named(testing::square_plan());
  const auto client = client::Client::generate(wire::make_offer(plan)).value();
  const auto session = Session::make(plan, client.make_eval_keys()).value();
  auto inputs = client.encrypt(testing::random_pixels(1)).value();
  inputs.pop_back();
  EXPECT_THROW((void)session.run_batch(std::move(inputs)), ContractError);
}

TEST(Session, ComputesOnTheBackendThatItIsGiven) {
  const auto plan = named(testing::square_plan());
  const auto client = client::Client::generate(wire::make_offer(plan)).value();
  const auto calls = std::make_shared<testing::BackendCalls>();
  const auto session =
      Session::make(plan, client.make_eval_keys(), {.engine = testing::counting_engine(calls)}).value();
  const std::vector<float> pixels = testing::random_pixels(3);
  const auto outputs = session.run_batch(client.encrypt(pixels).value()).value();
  EXPECT_GE(calls->linear, 2U);
  EXPECT_GE(calls->elementwise, 1U);
  EXPECT_EQ(calls->linear + calls->elementwise, session.schedule().tasks.size());
  const auto plain = Session::make(plan, client.make_eval_keys()).value();
  const auto expected = client.decrypt(plain.run_batch(client.encrypt(pixels).value()).value(), 3);
  const auto actual = client.decrypt(outputs, 3);
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(actual[i]), static_cast<double>(expected[i]), 0.01);
  }
}

TEST(Session, OfAnotherClientSharesTheModelAndNotTheKeys) {
  const auto plan = named(testing::square_plan());
  const auto calls = std::make_shared<testing::BackendCalls>();
  const auto one = client::Client::generate(wire::make_offer(plan)).value();
  const auto other = client::Client::generate(wire::make_offer(plan)).value();
  const auto first = Session::make(plan, one.make_eval_keys(), {.engine = testing::counting_engine(calls)}).value();
  const auto second = first.with(other.make_eval_keys()).value();
  EXPECT_EQ(&first.plan(), &second.plan());
  EXPECT_LT(second.key_bytes(), second.memory() + 1);
  EXPECT_GT(second.key_bytes(), 0U);
  const std::vector<float> pixels = testing::random_pixels(3);
  const auto logits_of = [&](const Session& session, const client::Client& client) {
    return client.decrypt(session.run_batch(client.encrypt(pixels).value()).value(), 3);
  };
  const auto expected = logits_of(first, one), given = logits_of(second, other);
  ASSERT_EQ(given.size(), expected.size());
  for (std::size_t i = 0; i < given.size(); ++i) EXPECT_NEAR(given[i], expected[i], 1e-2);
  EXPECT_GT(calls->linear.load(), 1U) << "the second is on the first's backend";
  EXPECT_FALSE(first.with({}).ok());
}

TEST(Session, SaysWhyABackendIsNotThere) {
  const auto plan = named(testing::square_plan());
  const auto client = client::Client::generate(wire::make_offer(plan)).value();
  const auto absent = [](const run::EngineParts&) -> Result<std::shared_ptr<const run::Engine>> {
    return error(Code::unsupported, "no device");
  };
  const auto session = Session::make(plan, client.make_eval_keys(), {.engine = absent});
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.error().message, "no device");
}

TEST(Session, StopsWhereProgressSaysSo) {
  const auto plan = named(testing::square_plan());
  const auto client = client::Client::generate(wire::make_offer(plan)).value();
  const auto session = Session::make(plan, client.make_eval_keys()).value();
  const auto outputs = session.run_batch(client.encrypt(testing::random_pixels(1)).value(),
                                         [](std::size_t, std::size_t) { return false; });
  ASSERT_FALSE(outputs.ok());
  EXPECT_EQ(outputs.error().code, Code::cancelled);
}

/// The program itself, from files to a file that the client decrypts.
TEST(ServerProgram, AnswersAClient) {
  namespace fs = std::filesystem;
  std::string name = fs::temp_directory_path() / "obscura-server-XXXXXX";
  const fs::path folder = mkdtemp(name.data());
  const auto at = [&](const char* file) { return (folder / file).string(); };
  ASSERT_TRUE(base::write_file(at("plan"), wire::write_plan(testing::square_plan()), {}).ok());
  const auto offer = wire::make_offer(wire::read_plan_file(at("plan")).value());
  ASSERT_TRUE(client::keygen(offer, at("secret"), at("eval")).ok());
  ASSERT_TRUE(client::encrypt(offer, folder / "secret", testing::random_pixels(3), at("in")).ok());
  const Output ran = output_of(std::string(OBSCURA_SERVER) + " run " + at("plan") + " --eval " + at("eval") + " " +
                               at("in") + " -o " + at("out"));
  EXPECT_EQ(ran.status, 0) << ran.text;
  EXPECT_THAT(ran.text, HasSubstr("3 images in 1 batches"));
  const auto logits = client::decrypt(offer, folder / "secret", at("out"));
  ASSERT_TRUE(logits.ok()) << logits.error().message;
  EXPECT_EQ(logits.value().values.size(), 9U);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace obscura::server
