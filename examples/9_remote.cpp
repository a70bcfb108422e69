// SPDX-License-Identifier: Apache-2.0
// Asks a server (`obscura-server serve plans`) what is on encrypted images, and says what is being done.
//   9_remote https://localhost:8080 mnist-square data/mnist FOLDER plans/tls/certificate.pem TOKEN
// Keys are made once and kept in FOLDER. The last line is: 3 images: 7 2 1
#include <obscura/remote.h>

#include <iostream>

#include "mnist.h"

int main(int argc, char** argv) {
  if (argc != 7) {
    std::cerr << "9_remote URL MODEL MNIST FOLDER CERTIFICATE TOKEN\n";
    return 2;
  }
  obscura::RemoteOptions options;
  options.folder = argv[4];
  options.ca = argv[5];
  options.token = argv[6];
  options.progress = [last = std::string()](const std::string& what, std::size_t, std::size_t) mutable {
    if (what != last) std::cout << what << std::endl;
    last = what;
    return true;  // false would stop it, here and on the server
  };

  const auto client = obscura::RemoteClient::connect(argv[1], argv[2], options);
  if (!client) {
    std::cerr << client.error().message << "\n";
    return 1;
  }
  std::cout << (client->made_key() ? "a new key, " : "the key of before, ") << client->offer().key_bytes() / 1'000'000
            << " MB of evaluation keys\n";
  const auto answer = client->classify(read_mnist(argv[3], "t10k", 3).pixels);
  if (!answer) {
    std::cerr << answer.error().message << "\n";
    return 1;
  }
  std::cout << answer->images << " images:";
  for (std::size_t i = 0; i < answer->images; ++i) std::cout << " " << client->offer().class_name(answer->label(i));
  std::cout << "\n";
}
