// SPDX-License-Identifier: Apache-2.0
#include "tests/judge/session.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/files.h"

namespace obscura::judge {

namespace {

namespace fs = std::filesystem;

const fs::path kModules = OBSCURA_SOURCE_DIR "/build/judge/node_modules";
constexpr int kLog2Degree = 13;
constexpr std::size_t kChain = 3;
constexpr std::uint64_t kMaxAnswer = std::uint64_t{1} << 30;

/// A folder that goes with what is in it: the question holds a secret key, if only a test's.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "obscura-judge-XXXXXX").string();
    OBSCURA_CHECK(mkdtemp(name.data()) != nullptr, "no temporary folder {}", name);
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::shared_ptr<const ckks::Context> make_context() {
  ckks::ParamsLiteral literal;
  literal.log2_degree = kLog2Degree;
  literal.special = ckks::make_primes(kLog2Degree, 50, 1, {}).value();
  literal.chain = ckks::make_primes(kLog2Degree, 48, kChain, literal.special).value();
  literal.digit_limbs = 1;
  return ckks::Context::make(ckks::Params::make(literal).value());
}

std::vector<double> as_doubles(std::span<const std::uint64_t> integers) { return {integers.begin(), integers.end()}; }

}  // namespace

Session::Session() : context_(make_context()), secret_(secret::SecretKey::generate(*context_)), lifted_(context_) {
  const ckks::Context& context = *context_;
  a_ = uniform_slots(context.params().slots(), 1);
  b_ = uniform_slots(context.params().slots(), 2);
  plain_ = context.encoder().encode(a_, kScale, kChain);
  keys_.relinearization.push_back(secret::make_relinearization_key(context, secret_));
  for (const std::uint64_t element : our_elements()) {
    keys_.galois.emplace(element, secret::make_galois_key(context, secret_, element));
  }
  for (std::size_t limbs = 1; limbs <= kChain; ++limbs) {
    ours_[fmt::format("seeded{}", limbs)] = encrypt(a_, limbs == 1 ? kScale / 8 : kScale, limbs);
  }
  ours_["public"] = secret::encrypt_public(context, secret::make_public_key(context, secret_), b_, kScale, kChain);
  ours_["product"] = ckks::multiply(context, ours("seeded3"), encrypt(b_, kScale, kChain));
  ours_["rescaled3"] = ckks::rescale(context, ours("product"), 1);
  ours_["rescaled"] = ckks::relinearize(context, keys_, ours("product"), 1);
  ours_["small_product"] = ckks::multiply(context, encrypt(a_, kSmallScale, kChain), encrypt(b_, kSmallScale, kChain));
  ours_["relinearized"] = ckks::relinearize(context, keys_, ours("small_product"), 0);
  ours_["large_product"] = ckks::multiply(context, encrypt(a_, kLargeScale, kChain), encrypt(b_, kLargeScale, kChain));
  ours_["rescaled_by_two3"] = ckks::rescale(context, ours("large_product"), 2);
  ours_["rescaled_by_two"] = ckks::relinearize(context, keys_, ours("large_product"), 2);
  ours_["rotated"] = ckks::rotate(context, keys_, ours("seeded3"), 1);
  ours_["conjugated"] = ckks::conjugate(context, keys_, ours("seeded3"));
}

ckks::Ciphertext Session::encrypt(std::span<const double> slots, double scale, std::size_t limbs) const {
  return ckks::expand(*context_, secret::encrypt(*context_, secret_, slots, scale, limbs));
}

std::vector<std::uint64_t> Session::our_elements() const {
  return {context_->galois_element(1), context_->galois_element(-3), ckks::conjugation_element(context_->degree())};
}

std::vector<std::uint64_t> Session::their_elements() const {
  return {context_->galois_element(2), ckks::conjugation_element(context_->degree())};
}

std::optional<std::string> Session::why_absent() {
  if (std::system("node --version >/dev/null 2>&1") != 0) return "node is not installed (tools/setup.sh installs it)";
  if (!fs::exists(kModules / "node-seal")) {
    return fmt::format("node-seal is not in {} (tests/judge/setup.sh fetches it)", kModules.string());
  }
  return std::nullopt;
}

base::Bytes Session::question() const {
  const ckks::Context& context = *context_;
  const ckks::ParamsLiteral& literal = context.params().literal();
  Outbox out(context);
  std::vector<std::uint64_t> primes = literal.chain;
  primes.insert(primes.end(), literal.special.begin(), literal.special.end());
  out.values("degree", std::vector{static_cast<double>(context.degree())});
  out.values("primes", as_doubles(primes));
  out.values("unused_prime", as_doubles(ckks::make_primes(kLog2Degree, 50, 1, primes).value()));
  out.values("scales", std::vector{kScale, kSmallScale});
  out.values("slots.a", to_seal_order(context, a_));
  out.values("slots.b", to_seal_order(context, b_));
  out.values("our_elements", as_doubles(our_elements()));
  out.values("their_elements", as_doubles(their_elements()));
  // SEAL's step 0 is the conjugation.
  out.values("their_steps", std::vector{static_cast<double>(seal_step(context, their_elements().front())), 0.0});
  out.polynomials("secret", std::span(&secret_.poly(), 1), 1);
  out.polynomials("plain.ours", std::span(&plain_, 1), kScale);
  out.switch_key("ourkey.relinearization", keys_.relinearization.front());
  for (const auto& [element, key] : keys_.galois)
    out.galois_key(fmt::format("ourkey.galois.{}", element), key, element);
  for (const auto& [name, x] : ours_) out.ciphertext("ours." + name, x);
  const ring::NttPoly lifted_secret = lifted_.lift(lifted_.secret().poly());
  out.polynomials("lifted.secret", std::span(&lifted_secret, 1), 1);
  for (const auto& [name, x] : lifted_.ours()) out.ciphertext("lifted.ours." + name, lifted_.lift(x));
  return out.bytes();
}

Result<Inbox> Session::ask() const {
  const Folder folder;
  const fs::path input = folder.path() / "question", output = folder.path() / "answer", log = folder.path() / "log";
  OBSCURA_TRY_VOID(base::write_file(input, question(), {.overwrite = false, .secret = true}));
  const std::string command =
      fmt::format("node '{}' '{}' '{}' '{}' >'{}' 2>&1", OBSCURA_SOURCE_DIR "/tests/judge/judge.mjs", kModules.string(),
                  input.string(), output.string(), log.string());
  if (std::system(command.c_str()) != 0) {
    OBSCURA_TRY(const base::Bytes text, base::read_file(log, kMaxAnswer));
    return error(Code::bad_format, "judge.mjs failed: {}",
                 std::string(reinterpret_cast<const char*>(text.data()), text.size()));
  }
  OBSCURA_TRY(const base::Bytes answer, base::read_file(output, kMaxAnswer));
  return Inbox::parse(*context_, answer);
}

}  // namespace obscura::judge
