// SPDX-License-Identifier: Apache-2.0
#include "service/page.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "service/exchanges.h"

namespace obscura::service {

namespace {

// The page computes on images and keys: nothing of it comes from elsewhere, and nothing goes elsewhere.
constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct FileKind {
  const char* extension;
  const char* type;
};
constexpr FileKind kFileKinds[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".wasm", "application/wasm"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".txt", "text/plain; charset=utf-8"},
};

http::Response page_response(const std::string& path, const std::string& type, const base::Bytes& bytes) {
  http::Response response;
  response.type = type;
  response.body = bytes;
  response.headers = {{"Content-Security-Policy", kPagePolicy},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Opener-Policy", "same-origin"},
                      {"Cross-Origin-Resource-Policy", "same-origin"},
                      // Files under assets/ have their content's digest in their names.
                      {"Cache-Control", path.starts_with("/assets/") ? "max-age=31536000, immutable" : "no-cache"}};
  return response;
}

}  // namespace

Result<void> Page::add(const std::filesystem::path& file, const std::string& path) {
  const std::string extension = file.extension().string();
  const auto* const kind = std::find_if(std::begin(kFileKinds), std::end(kFileKinds),
                                        [&](const FileKind& one) { return extension == one.extension; });
  if (kind == std::end(kFileKinds)) {
    return error(Code::wrong_params,
                 "{}: a page has files of HTML, JavaScript, CSS, JSON, WebAssembly, SVG, PNG and text: take it out of "
                 "the page's folder",
                 file.string());
  }
  OBSCURA_TRY(base::Bytes bytes, base::read_file(file, kMaxBytes - bytes_));
  bytes_ += bytes.size();
  files_[path] = File{kind->type, std::move(bytes)};
  return {};
}

Result<Page> Page::open(const std::filesystem::path& folder, const std::vector<std::string>& models) {
  namespace fs = std::filesystem;
  if (!fs::is_regular_file(folder / "index.html")) {
    return error(Code::io, "{}: no index.html in it: build the page (docs/BROWSER.md), or name its folder",
                 folder.string());
  }
  Page page;
  std::error_code failed;
  for (auto at = fs::recursive_directory_iterator(folder, failed); !failed && at != fs::recursive_directory_iterator();
       at.increment(failed)) {
    if (!at->is_regular_file()) continue;
    OBSCURA_TRY_VOID(page.add(at->path(), "/" + at->path().lexically_relative(folder).generic_string()));
  }
  if (failed) return error(Code::io, "{}: {}", folder.string(), failed.message());
  page.files_["/"] = page.files_.at("/index.html");
  const std::string list = nlohmann::json(models).dump() + "\n";
  const base::ByteView bytes = base::as_bytes(list);
  page.files_["/models.json"] = File{"application/json", base::Bytes(bytes.begin(), bytes.end())};
  return page;
}

http::Route Page::route(http::Route rest) const {
  return [this, rest = std::move(rest)](const http::Head& head) {
    const std::string path = head.target.substr(0, head.target.find('?'));
    const auto found = head.method == "GET" ? files_.find(path) : files_.end();
    if (found == files_.end()) return rest(head);
    return say(page_response(path, found->second.type, found->second.bytes));
  };
}

}  // namespace obscura::service
