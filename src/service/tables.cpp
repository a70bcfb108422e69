// SPDX-License-Identifier: Apache-2.0
#include "service/tables.h"

namespace obscura::service {

namespace {

constexpr const char* kFirst = R"(
CREATE TABLE tokens (digest TEXT PRIMARY KEY, id TEXT, tenant TEXT NOT NULL, made INTEGER, expires INTEGER,
                     revoked INTEGER DEFAULT 0) STRICT;
CREATE TABLE keys (tenant TEXT, id TEXT, bytes INTEGER, made INTEGER, used INTEGER, PRIMARY KEY (tenant, id)) STRICT;
CREATE TABLE jobs (id TEXT PRIMARY KEY, tenant TEXT, model TEXT, key TEXT, plan TEXT, images INTEGER, bytes INTEGER,
                   attended INTEGER, state TEXT, error TEXT, code INTEGER, attempts INTEGER, made INTEGER,
                   started INTEGER, ended INTEGER) STRICT;
CREATE TABLE events (time INTEGER, tenant TEXT, action TEXT, model TEXT, plan TEXT, key TEXT, images INTEGER,
                     bytes_in INTEGER, bytes_out INTEGER, seconds REAL, outcome TEXT) STRICT;
CREATE INDEX events_by_tenant ON events (tenant, time);
)";

/// Jobs that servers claim, and keys whose uploads have names.
constexpr const char* kClaims = R"(
  ALTER TABLE keys ADD COLUMN upload TEXT NOT NULL DEFAULT '';
  ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT '';
  ALTER TABLE jobs ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN work_done INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN work_total INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX jobs_by_state ON jobs (state);
  CREATE TABLE turns (tenant TEXT PRIMARY KEY, turn INTEGER) STRICT;
  CREATE TABLE replicas (id TEXT PRIMARY KEY, expires INTEGER) STRICT;
)";

/// SQLite has a rowid by itself, by which jobs and events are ordered.
constexpr const char* kPostgresql = R"(
CREATE FUNCTION now_ms() RETURNS BIGINT LANGUAGE SQL VOLATILE AS
  'SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)';
CREATE TABLE tokens (digest TEXT PRIMARY KEY, id TEXT, tenant TEXT NOT NULL, made BIGINT, expires BIGINT,
                     revoked BIGINT DEFAULT 0);
CREATE TABLE keys (tenant TEXT, id TEXT, bytes BIGINT, made BIGINT, used BIGINT, upload TEXT NOT NULL DEFAULT '',
                   PRIMARY KEY (tenant, id));
CREATE TABLE jobs (rowid BIGSERIAL, id TEXT PRIMARY KEY, tenant TEXT, model TEXT, key TEXT, plan TEXT, images BIGINT,
                   bytes BIGINT, attended BIGINT, state TEXT, error TEXT, code BIGINT, attempts BIGINT, made BIGINT,
                   started BIGINT, ended BIGINT, owner TEXT NOT NULL DEFAULT '', run BIGINT NOT NULL DEFAULT 0,
                   work_done BIGINT NOT NULL DEFAULT 0, work_total BIGINT NOT NULL DEFAULT 0);
CREATE INDEX jobs_by_state ON jobs (state);
CREATE TABLE events (rowid BIGSERIAL PRIMARY KEY, time BIGINT, tenant TEXT, action TEXT, model TEXT, plan TEXT,
                     key TEXT, images BIGINT, bytes_in BIGINT, bytes_out BIGINT, seconds DOUBLE PRECISION,
                     outcome TEXT);
CREATE INDEX events_by_tenant ON events (tenant, time);
CREATE TABLE turns (tenant TEXT PRIMARY KEY, turn BIGINT);
CREATE TABLE replicas (id TEXT PRIMARY KEY, expires BIGINT);
CREATE TABLE folder (number BIGINT PRIMARY KEY, id TEXT NOT NULL);
)";

}  // namespace

const std::vector<const char*>& sqlite_tables() {
  static const std::vector<const char*> steps{kFirst, kClaims};
  return steps;
}

const std::vector<const char*>& postgresql_tables() {
  static const std::vector<const char*> steps{kPostgresql};
  return steps;
}

}  // namespace obscura::service
