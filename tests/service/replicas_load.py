#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Three replicas behind nginx, on one PostgreSQL and one folder; one of them is killed every 20 s (SIGKILL) and started
again. Clients send jobs through nginx and hold each answer to the bytes of `obscura run`; meanwhile bench/service_load,
the load test of the service, asks the same replicas. No job that was accepted (202) may be lost, and no answer wrong.
    replicas_load.py BUILD MODELS [SECONDS]     exit status 77: PostgreSQL, nginx or MNIST is absent"""
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import postgresql

KILL_EVERY = 20
CLIENTS = 4
TROUBLE = (OSError, http.client.HTTPException)


def skip(sentence):
    print(f"replicas_load: skipped: {sentence}")
    sys.exit(77)


class Replica:
    """A server on a port that it keeps when it is started again."""

    def __init__(self, build, folder, database):
        self.command = [build / "obscura-server", "serve", folder / "plans", "--database", database, "--port"]
        self.port, self.log = 0, open(folder / "replicas.log", "a")
        self.start()

    def start(self):
        for _ in range(50):  # the port may not be free at once
            self.process = subprocess.Popen([*self.command, str(self.port)], stdout=subprocess.PIPE, stderr=self.log,
                                            text=True)
            found = re.search(r":(\d+) serves", self.process.stdout.readline())
            if found:
                self.port = int(found[1])
                return
            self.process.wait()
            time.sleep(0.1)
        raise RuntimeError("a replica does not start")

    def kill(self):
        self.process.kill()
        self.process.wait()


class Nginx:
    def __init__(self, folder, replicas):
        self.port = free_port()
        upstream = "\n".join(f"    server 127.0.0.1:{r.port} max_fails=1 fail_timeout=2s;" for r in replicas)
        (folder / "nginx.conf").write_text(f"""
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream obscura {{
    least_conn;
{upstream}
  }}
  server {{
    listen 127.0.0.1:{self.port};
    client_max_body_size 0;
    location / {{
      proxy_pass http://obscura;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_connect_timeout 2s;
      proxy_read_timeout 1h;
    }}
  }}
}}
""")
        self.process = subprocess.Popen([nginx_program(), "-e", folder / "nginx.log", "-c", folder / "nginx.conf"])

    def stop(self):
        self.process.terminate()
        self.process.wait()


def nginx_program():
    return shutil.which("nginx") or shutil.which("/usr/sbin/nginx")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Load:
    """What clients saw, all together."""

    def __init__(self, folder, port, body, headers, wanted):
        self.port, self.body, self.headers, self.wanted = port, body, headers, wanted
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.accepted = self.answered = self.wrong = self.refused = self.broken = 0
        self.lost, self.longest = [], 0.0

    def count(self, name, n=1):
        with self.lock:
            setattr(self, name, getattr(self, name) + n)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read(), dict(reply.getheaders())
        finally:
            connection.close()

    def client(self):
        while not self.stop.is_set():
            try:
                status, _, headers = self.ask("POST", "/v2/models/model/infer", self.body,
                                              {**self.headers, "Prefer": "respond-async"})
            except TROUBLE:
                status = 0
            if status != 202:  # not accepted: nothing was promised
                self.count("broken" if status in (0, 502) else "refused")
                time.sleep(0.2)
                continue
            self.count("accepted")
            self.follow(headers["Location"])

    def follow(self, job):
        begun = time.monotonic()
        while time.monotonic() - begun < 300:
            try:
                status, body, _ = self.ask("GET", job + "/result")
            except TROUBLE:
                self.count("broken")
                continue
            if status == 200:
                self.count("answered")
                if not body.endswith(self.wanted):
                    self.count("wrong")
                with self.lock:
                    self.longest = max(self.longest, time.monotonic() - begun)
                try:
                    self.ask("DELETE", job)
                except TROUBLE:
                    pass
                return
            if status not in (202, 502, 503, 507):
                self.lost.append(f"{job}: {status} {body[:200]!r}")
                return
            time.sleep(0.05)
        self.lost.append(f"{job}: no answer in 300 s")


def prepare(folder, build, models, data, images):
    """A plan, keys, a request of six batches and the answer that it has to have."""

    def obscura(*arguments):
        subprocess.run([build / "obscura", *arguments], cwd=folder, check=True, capture_output=True, text=True)

    (folder / "plans").mkdir()
    (folder / "plans/server.toml").write_text("[tenants]\nqueued_jobs = 1000\n[jobs]\nattempts = 10\n")
    obscura("compile", models / "mnist-square.onnx", "--batch", "1", "--calibrate", "mnist", "-o", "plans/model.plan",
            "--data", data)
    obscura("offer", "plans/model.plan", "-o", "offer")
    obscura("keygen", "offer", "--secret", "secret", "--eval", "keys")
    obscura("encrypt", "offer", "--secret", "secret", f"{images}:0:6", "-o", "request")
    obscura("run", "plans/model.plan", "--eval", "keys", "request", "-o", "answer")
    request = (folder / "request").read_bytes()
    # The binary tensor extension: JSON, then the length of the one element, then the element.
    head = json.dumps({"id": "1", "inputs": [{"name": "encrypted_images", "shape": [1], "datatype": "BYTES",
                                              "parameters": {"binary_data_size": len(request) + 4}}],
                       "parameters": {"key_id": "mine"},
                       "outputs": [{"name": "encrypted_answer", "parameters": {"binary_data": True}}]}).encode()
    body = head + struct.pack("<I", len(request)) + request
    return body, {"Inference-Header-Content-Length": str(len(head))}, (folder / "answer").read_bytes()


def kill_now_and_then(replicas, seconds):
    end, kills = time.monotonic() + seconds, 0
    while time.monotonic() + KILL_EVERY < end:
        time.sleep(KILL_EVERY)
        victim = random.choice(replicas)
        victim.kill()
        kills += 1
        time.sleep(1)
        victim.start()
    time.sleep(max(0.0, end - time.monotonic()))
    return kills


def run(folder, build, models, data, images, seconds):
    body, headers, wanted = prepare(folder, build, models, data, images)
    with postgresql.Cluster() as cluster:
        database = cluster.database("obscura")
        replicas = [Replica(build, folder, database) for _ in range(3)]
        nginx = Nginx(folder, replicas)
        load = Load(folder, nginx.port, body, headers, wanted)
        try:
            time.sleep(1)
            status, text, _ = load.ask("PUT", "/v2/keys/mine", (folder / "keys").read_bytes())
            assert status == 201, (status, text)
            threads = [threading.Thread(target=load.client) for _ in range(CLIENTS)]
            for thread in threads:
                thread.start()
            others = subprocess.Popen([build / "service_load", f"http://127.0.0.1:{nginx.port}", "4", str(2 * seconds)],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            kills = kill_now_and_then(replicas, seconds)
            load.stop.set()
            for thread in threads:
                thread.join()
            said = others.communicate(timeout=600)[0].strip()
        finally:
            nginx.stop()
            for replica in replicas:
                replica.process.send_signal(signal.SIGTERM)
            for replica in replicas:
                replica.process.wait(60)
        left = [p.name for part in ("jobs", "incoming") for p in (folder / "plans/state" / part).iterdir()]
    print(f"{load.accepted} jobs accepted, {load.answered} answered, {load.wrong} wrong, {len(load.lost)} lost; longest "
          f"{load.longest:.1f} s; {kills} replicas killed in {seconds} s; {load.broken} requests broke off, "
          f"{load.refused} were refused\nservice_load: {said}\nfiles left: {left}")
    for one in load.lost:
        print(one)
    return load.answered > 0 and not load.lost and load.wrong == 0 and others.returncode == 0


def main():
    build, models = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 300
    data = pathlib.Path(os.environ.get("OBSCURA_DATA", models.parent / "data")).resolve()
    images = data / "mnist/t10k-images-idx3-ubyte"
    if postgresql.programs() is None:
        skip("no server of PostgreSQL is installed (Debian: postgresql)")
    if nginx_program() is None:
        skip("no nginx is installed (Debian: nginx-light)")
    if not images.exists():
        skip(f"no MNIST in {data} (obscura data fetch mnist)")
    if not (build / "service_load").exists():
        skip("bench/service_load is not built")
    with tempfile.TemporaryDirectory(prefix="obscura-replicas-") as name:
        good = run(pathlib.Path(name), build, models, data, images, seconds)
    sys.exit(0 if good else 1)


main()
