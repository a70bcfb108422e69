// SPDX-License-Identifier: Apache-2.0
/// A folder of plans behind a socket, and clients that it never sees the images of.
#include "service_fixture.h"

namespace obscura::service {
namespace {

TEST(Protocol, WritesWhatItReads) {
  const protocol::TensorHead head{"id 1", "", "key-1", 12345};
  const auto read = protocol::read_request(protocol::write_request(head)).value();
  EXPECT_EQ(read.id, "id 1");
  EXPECT_EQ(read.key, "key-1");
  EXPECT_EQ(read.bytes, 12345U);
  EXPECT_EQ(protocol::read_answer(protocol::write_answer({"a", "m", "", 7}))->bytes, 7U);
  EXPECT_EQ(protocol::read_prefix(protocol::write_prefix(0x01020304)), 0x01020304U);
  EXPECT_EQ(protocol::read_error(base::as_bytes(protocol::write_error("a \"word\""))), "a \"word\"");
  EXPECT_EQ(protocol::read_error(base::as_bytes("<html>")), "<html>");
  EXPECT_EQ(protocol::read_error(base::as_bytes("a line\r\n")), "a line");
  EXPECT_EQ(protocol::read_error(base::as_bytes("\n")), "");
}

TEST(Protocol, RefusesOtherRequestsWithASentence) {
  const std::string good = protocol::write_request({"", "", "k", 1});
  ASSERT_TRUE(protocol::read_request(good).ok());
  for (const auto& [from, to, sentence] : std::vector<std::array<std::string, 3>>{
           {"{", "", "no JSON"},
           {"encrypted_images", "images", "'encrypted_images' of type 'BYTES'"},
           {"BYTES", "FP32", "'FP32'"},
           {"[1]", "[2]", "shape [1]"},
           {"\"binary_data_size\":5", "\"binary_data_size\":-5", "binary_data_size"},
           {"\"k\"", "\"../k\"", "key_id"},
           {"inputs", "outs", "'inputs' is not a list"}}) {
    std::string changed = good;
    changed.replace(changed.find(from), from.size(), to);
    const auto read = protocol::read_request(changed);
    ASSERT_FALSE(read.ok()) << changed;
    EXPECT_THAT(read.error().message, HasSubstr(sentence));
  }
}

TEST(Protocol, NamesAreNoPaths) {
  for (const char* good : {"a", "mnist-square", "A.b_c"}) EXPECT_TRUE(protocol::is_name(good)) << good;
  for (const char* bad : {"", ".", "..", "../a", "a/b", "-a", ".a", "a b", "a\n"}) {
    EXPECT_FALSE(protocol::is_name(bad)) << bad;
  }
  EXPECT_FALSE(protocol::is_name(std::string(65, 'a')));
}

TEST_F(ServiceTest, ClassifiesAsFilesDo) {
  start();
  const std::vector<float> pixels = testing::random_pixels(3);
  const auto logits = classify("alice", "square", pixels);
  ASSERT_TRUE(logits.ok()) << logits.error().message;
  const auto files = expected(testing::square_plan(), pixels);
  ASSERT_EQ(logits->values.size(), files.size());
  for (std::size_t i = 0; i < files.size(); ++i) EXPECT_NEAR(logits->values[i], files[i], 1e-2) << i;
  EXPECT_TRUE(nothing_incoming());
  // Once more: the key is there, here and on the server.
  auto again = remote::RemoteClient::connect(base(), "square", options_of("alice"));
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->made_key());
  EXPECT_TRUE(classify("alice", "square", pixels).ok());
}

TEST_F(ServiceTest, ManyClientsAtOnceGetTheirOwnAnswers) {
  start();
  std::vector<std::thread> clients;
  std::atomic<int> right{0};
  const std::vector<float> pixels = testing::random_pixels(2);
  const auto files = expected(testing::square_plan(), pixels);
  for (int k = 0; k < 6; ++k) {
    clients.emplace_back([&, k] {
      const auto logits = classify("client" + std::to_string(k), "square", pixels);
      right += logits.ok() && std::fabs(logits->values[0] - files[0]) < 1e-2 ? 1 : 0;
    });
  }
  for (std::thread& one : clients) one.join();
  EXPECT_EQ(right, 6);
}

TEST_F(ServiceTest, TellsWhatItServes) {
  start();
  EXPECT_THAT(text(send("GET", "/v2")), HasSubstr("binary_tensor_data"));
  EXPECT_EQ(send("GET", "/v2/health/live").status, 200U);
  EXPECT_EQ(send("GET", "/v2/health/ready").status, 200U);
  const auto model = nlohmann::json::parse(text(send("GET", "/v2/models/square")));
  EXPECT_EQ(model.at("inputs")[0].at("datatype"), "BYTES");
  EXPECT_EQ(send("GET", "/v2/models/square/ready").status, 200U);
  const auto offer = send("GET", "/v2/models/square/offer");
  EXPECT_TRUE(wire::read_offer(offer.body, "offer").ok());
}

TEST_F(ServiceTest, BadRequestsAreASentenceAndTheServerGoesOn) {
  start();
  ASSERT_TRUE(classify("alice", "square", testing::random_pixels(1)).ok());
  const std::string key = fs::directory_iterator(folder_ / "plans/state/keys/local")->path().filename();
  const auto infer = [&](const std::string& head, const std::string& tensor, std::size_t said) {
    return send("POST", "/v2/models/square/infer", head + tensor,
                {{"Inference-Header-Content-Length", std::to_string(said)}});
  };
  const auto head_of = [&](const std::string& name, std::uint64_t bytes) {
    return protocol::write_request({"", "", name, bytes});
  };
  const std::string prefix("\x05\0\0\0", 4), five("12345");
  struct Case {
    http::Reply reply;
    unsigned status;
    std::string sentence;
  };
  const std::vector<Case> cases{
      {send("GET", "/"), 404, "GET /v2"},
      {send("GET", "/v2/models/cube"), 404, "quartic, square"},
      {send("PUT", "/v2/models/square"), 405, "infer"},
      {send("PUT", "/v2/keys/..%2Fa"), 400, "letters"},
      {send("PUT", "/v2/keys/a", "no keys at all"), 400, "not a whole file of evaluation keys"},
      {send("GET", "/v2/keys/a"), 404, "no key"},
      {send("POST", "/v2/models/square/infer", "{}"), 400, "Inference-Header-Content-Length"},
      {infer("{}", prefix + five, 2), 400, "'inputs'"},
      {infer(head_of("nobody", 5), prefix + five, head_of("nobody", 5).size()), 404, "PUT /v2/keys/nobody"},
      {infer(head_of(key, 5), prefix + five, head_of(key, 5).size()), 400, "not a file of Obscura"},
      {infer(head_of(key, 6), prefix + five, head_of(key, 6).size()), 400, "length"},
      {infer(head_of(key, 5), prefix + "1234", head_of(key, 5).size()), 400, "the body ends before"},
      {infer(head_of(key, 5), "", head_of(key, 5).size()), 400, "the body ends before"}};
  for (std::size_t k = 0; k < cases.size(); ++k) {
    EXPECT_EQ(cases[k].reply.status, cases[k].status) << k << ": " << text(cases[k].reply);
    EXPECT_THAT(text(cases[k].reply), HasSubstr(cases[k].sentence)) << k;
    EXPECT_THAT(text(cases[k].reply), ::testing::Not(HasSubstr(folder_.string()))) << k << ": a path of the server";
  }
  EXPECT_TRUE(nothing_incoming());
  EXPECT_TRUE(classify("alice", "square", testing::random_pixels(1)).ok());
  EXPECT_EQ(send("DELETE", "/v2/keys/" + key).status, 200U);
  EXPECT_EQ(send("GET", "/v2/keys/" + key).status, 404U);
  EXPECT_TRUE(classify("alice", "square", testing::random_pixels(1)).ok()) << "the client sends its keys again";
}

TEST_F(ServiceTest, KeysOfOtherParametersAndImagesOfAnotherPlanAreRefused) {
  start();
  ASSERT_TRUE(classify("alice", "square", testing::random_pixels(1)).ok());
  const std::string key = fs::directory_iterator(folder_ / "plans/state/keys/local")->path().filename();
  const auto flow = Flow(testing::square_plan());
  const base::Bytes images = flow.read("in");
  std::string body = protocol::write_request({"", "", key, images.size()});
  const std::string length = std::to_string(body.size());
  const base::Bytes prefix = protocol::write_prefix(images.size());
  for (const base::Bytes* part : {&prefix, &images}) {
    body.append(reinterpret_cast<const char*>(part->data()), part->size());
  }
  const std::map<std::string, std::string> headers{{"Inference-Header-Content-Length", length}};
  const auto other_client = send("POST", "/v2/models/square/infer", body, headers);
  EXPECT_EQ(other_client.status, 400U) << "images of another client's key";
  const auto other_model = send("POST", "/v2/models/quartic/infer", body, headers);
  EXPECT_EQ(other_model.status, 400U) << text(other_model);
}

TEST_F(ServiceTest, KeysThatTakeTheNameOfOthersTakeTheirPlace) {
  start();
  ASSERT_TRUE(classify("alice", "square", testing::random_pixels(1)).ok());
  const std::string key = fs::directory_iterator(folder_ / "plans/state/keys/local")->path().filename();
  const auto flow = Flow(testing::square_plan());
  const auto text_of = [](const base::Bytes& bytes) {
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  EXPECT_EQ(send("PUT", "/v2/keys/" + key, text_of(flow.read("eval"))).status, 201U);
  EXPECT_FALSE(classify("alice", "square", testing::random_pixels(1)).ok()) << "the keys from before are still used";
}

TEST_F(ServiceTest, TheDocumentOfTheInterfaceIsTrue) {
  start();
  ASSERT_TRUE(classify("alice", "square", testing::random_pixels(1)).ok());
  const std::string key = fs::directory_iterator(folder_ / "plans/state/keys/local")->path().filename();
  const auto document = json("GET", "/openapi.json");
  std::size_t asked = 0;
  for (const auto& [path, methods] : document.at("paths").items()) {
    for (const auto& [method, operation] : methods.items()) {
      if (method == "parameters") continue;
      std::string target = path, verb = method;
      for (const auto& [name, value] :
           std::map<std::string, std::string>{{"{model}", "square"}, {"{key}", key}, {"{job}", "none"}}) {
        if (const auto at = target.find(name); at != std::string::npos) target.replace(at, name.size(), value);
      }
      std::transform(verb.begin(), verb.end(), verb.begin(), [](unsigned char c) { return std::toupper(c); });
      const http::Reply reply = send(verb, target);
      EXPECT_TRUE(operation.at("responses").contains(std::to_string(reply.status))) << verb << target << reply.status;
      const bool of_error = reply.status >= 400 && nlohmann::json::parse(text(reply)).contains("error");
      EXPECT_TRUE(reply.status < 400 || of_error) << verb << target;
      ++asked;
    }
  }
  EXPECT_EQ(asked, 16U);
  EXPECT_EQ(send("GET", "/v2/other").status, 404U);
}

TEST_F(ServiceTest, OnlyTheTrustedServerIsAsked) {
  const base::SigningKey signer = base::make_signing_key(), other = base::make_signing_key();
  const base::OutputFile::Options secret{.overwrite = false, .secret = true};
  Flow::require(base::write_file(folder_ / "sign", wire::write_signing_key(signer), secret));
  ServiceOptions signing;
  signing.signing_key = folder_ / "sign";
  start(signing);
  auto options = options_of("bob");
  options.trust = other.verify;
  EXPECT_THAT(remote::RemoteClient::connect(base(), "square", options).error().message, HasSubstr("signed by"));
  options.trust = signer.verify;
  auto client = remote::RemoteClient::connect(base(), "square", options);
  ASSERT_TRUE(client.ok()) << client.error().message;
  const std::vector<float> pixels = testing::random_pixels(1);
  EXPECT_TRUE(client->classify(client::images_in(pixels, client->offer().input).value()).ok());
}

TEST_F(ServiceTest, MemoryIsKeptToByLettingKeysGo) {
  ServiceOptions small;
  small.memory = server::allot(testing::square_plan(), 0)->bytes + 1000;
  start(small);
  for (const char* who : {"a", "b", "a"}) EXPECT_TRUE(classify(who, "square", testing::random_pixels(1)).ok()) << who;
}

TEST(ServiceFolder, AFolderWithoutPlansIsASentence) {
  EXPECT_THAT(Service::open("/nowhere", {}).error().message, HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace obscura::service
