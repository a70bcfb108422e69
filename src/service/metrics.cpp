// SPDX-License-Identifier: Apache-2.0
#include "service/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "http/server.h"

namespace obscura::service {

struct Metrics::Internal {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& jobs = counter("obscura_jobs_total", "Jobs that have ended, by their state");
  prometheus::Counter& requests = counter("obscura_requests_total", "Requests that have come").Add({});
  prometheus::Counter& done = jobs.Add({{"state", "done"}});
  prometheus::Counter& failed = jobs.Add({{"state", "failed"}});
  prometheus::Counter& cancelled = jobs.Add({{"state", "cancelled"}});
  prometheus::Counter& images = counter("obscura_images_total", "Images of jobs that are done").Add({});
  prometheus::Counter& crashes =
      counter("obscura_worker_crashes_total", "Worker processes that ended on a job").Add({});
  prometheus::Counter& lost =
      counter("obscura_jobs_lost_total", "Jobs that another replica took, since this one was not heard of").Add({});
  prometheus::Counter& seconds = counter("obscura_run_seconds_total", "Seconds that networks were computed").Add({});
  prometheus::Family<prometheus::Gauge>& now = prometheus::BuildGauge()
                                                   .Name("obscura_jobs")
                                                   .Help("Jobs of now: queued at all replicas, running at this one")
                                                   .Register(registry);
  prometheus::Gauge& queued = now.Add({{"state", "queued"}});
  prometheus::Gauge& running = now.Add({{"state", "running"}});

 private:
  prometheus::Family<prometheus::Counter>& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
};

Metrics::Metrics() : internal_(std::make_unique<Internal>()) {}
Metrics::~Metrics() = default;

void Metrics::request() { internal_->requests.Increment(); }

http::Response Metrics::response(const JobCounts& jobs) {
  Internal& self = *internal_;
  const auto set = [](prometheus::Counter& counter, double value) { counter.Increment(value - counter.Value()); };
  set(self.done, static_cast<double>(jobs.done));
  set(self.failed, static_cast<double>(jobs.failed));
  set(self.cancelled, static_cast<double>(jobs.cancelled));
  set(self.images, static_cast<double>(jobs.images));
  set(self.crashes, static_cast<double>(jobs.crashes));
  set(self.lost, static_cast<double>(jobs.lost));
  set(self.seconds, jobs.run_seconds);
  self.queued.Set(static_cast<double>(jobs.queued));
  self.running.Set(static_cast<double>(jobs.running));
  const std::string all = prometheus::TextSerializer().Serialize(self.registry.Collect());
  const base::ByteView text = base::as_bytes(all);
  http::Response response;
  response.type = "text/plain; version=0.0.4";
  response.body.assign(text.begin(), text.end());
  return response;
}

}  // namespace obscura::service
