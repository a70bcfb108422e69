// SPDX-License-Identifier: Apache-2.0
#include "worker/confine.h"

#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

namespace obscura::worker {

namespace {

constexpr std::uint64_t kFiles = 256;
constexpr std::uint64_t kFileBytes = std::uint64_t{64} << 30;

/// Whoever tries one of these has taken the process over.
constexpr const char* kDeadly[] = {
    "execve",  "execveat", "fork",    "vfork",  "socket", "socketpair",       "connect",           "bind",
    "listen",  "accept",   "accept4", "ptrace", "kill",   "process_vm_readv", "process_vm_writev", "mount",
    "umount2", "chroot",   "setuid",  "setgid", "bpf",    "init_module",      "finit_module",      "keyctl",
};

/// Of arithmetic, threads, files that are opened by name, and the channel. Anything else fails with EPERM.
constexpr const char* kAllowed[] = {
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "close",
    "open",
    "openat",
    "lseek",
    "fstat",
    "newfstatat",
    "stat",
    "lstat",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getcwd",
    "getdents64",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "link",
    "linkat",
    "fchmod",
    "fcntl",
    "flock",
    "umask",
    // Memory.
    "mmap",
    "munmap",
    "mprotect",
    "mremap",
    "madvise",
    "brk",
    "mlock",
    "mlock2",
    "munlock",
    "mincore",
    // Threads, time, signals to itself.
    "futex",
    "set_robust_list",
    "rseq",
    "set_tid_address",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "getcpu",
    "membarrier",
    "gettid",
    "getpid",
    "tgkill",
    "nanosleep",
    "clock_nanosleep",
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "times",
    "getrusage",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "restart_syscall",
    "exit",
    "exit_group",
    "getrandom",
    // What it may ask of itself and the machine.
    "getrlimit",
    "arch_prctl",  // for tiles of AMX
    "prlimit64",
    "prctl",
    "sysinfo",
    "uname",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
#ifdef __SANITIZE_ADDRESS__
    // By a pipe the sanitizers find out what memory can be read.
    "pipe",
    "pipe2",
#endif
    // The channel.
    "poll",
    "ppoll",
    "recvfrom",
    "recvmsg",
    "sendto",
    "sendmsg",
};

Result<void> limit(int resource, std::uint64_t most) {
  const rlimit both{most, most};
  if (::setrlimit(static_cast<__rlimit_resource>(resource), &both) == 0) return {};
  return error(Code::io, "a limit of the worker: {}", std::strerror(errno));
}

Result<void> filter_system_calls() {
  const std::unique_ptr<void, decltype(&::seccomp_release)> filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)),
                                                                   &::seccomp_release);
  if (filter == nullptr) return error(Code::io, "no filter of system calls (seccomp)");
  const auto rule = [&](const char* name, std::uint32_t action) {
    const int number = ::seccomp_syscall_resolve_name(name);
    return number == __NR_SCMP_ERROR ? 0 : ::seccomp_rule_add(filter.get(), action, number, 0);
  };
  int failed = 0;
  for (const char* name : kAllowed) failed = failed != 0 ? failed : rule(name, SCMP_ACT_ALLOW);
  for (const char* name : kDeadly) failed = failed != 0 ? failed : rule(name, SCMP_ACT_KILL_PROCESS);
  // A thread, and no process. What clone3 is asked for stands in memory, which a filter cannot see: without it the C
  // library takes clone.
  if (failed == 0) {
    failed = ::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
  }
  if (failed == 0) failed = ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  if (failed == 0) failed = ::seccomp_load(filter.get());
  if (failed != 0) return error(Code::io, "no filter of system calls (seccomp): {}", std::strerror(-failed));
  return {};
}

}  // namespace

Result<void> confine(std::uint64_t memory) {
  OBSCURA_TRY_VOID(limit(RLIMIT_CORE, 0));
  OBSCURA_TRY_VOID(limit(RLIMIT_NOFILE, kFiles));
  OBSCURA_TRY_VOID(limit(RLIMIT_FSIZE, kFileBytes));
#ifndef __SANITIZE_ADDRESS__  // which reserves terabytes of address space
  if (memory > 0) {
    std::ifstream pages("/proc/self/statm");
    std::uint64_t mapped = 0;
    pages >> mapped;
    OBSCURA_TRY_VOID(limit(RLIMIT_AS, mapped * 4096 + memory));
  }
#else
  static_cast<void>(memory);
#endif
  ::prctl(PR_SET_DUMPABLE, 0);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return error(Code::io, "new privileges cannot be given up: {}", std::strerror(errno));
  }
  return filter_system_calls();
}

}  // namespace obscura::worker
