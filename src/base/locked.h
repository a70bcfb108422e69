// SPDX-License-Identifier: Apache-2.0
/// Memory for secrets: between guard pages, locked where the system's limit allows it, overwritten when it goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace obscura::base {

/// Zeros, from libsodium's guarded heap. throws std::bad_alloc
void* allocate_locked(std::size_t size);
/// Overwrites them and gives them back.
void free_locked(void* data);

/// One T there. Moving moves the pointer, so that no copy stays behind.
template <class T>
class Locked {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Locked() : data_(new (allocate_locked(sizeof(T))) T{}) {}
  Locked(Locked&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  Locked& operator=(Locked&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~Locked() {
    if (data_ != nullptr) free_locked(data_);
  }
  T& operator*() { return *data_; }
  const T& operator*() const { return *data_; }
  T* operator->() { return data_; }
  const T* operator->() const { return data_; }

 private:
  T* data_;
};

/// So many bytes there.
class LockedBytes {
 public:
  explicit LockedBytes(std::size_t size) : data_(static_cast<std::uint8_t*>(allocate_locked(size))), size_(size) {}
  LockedBytes(LockedBytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  LockedBytes& operator=(LockedBytes&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~LockedBytes() {
    if (data_ != nullptr) free_locked(data_);
  }
  std::span<std::uint8_t> span() { return {data_, size_}; }
  std::span<const std::uint8_t> span() const { return {data_, size_}; }
  std::size_t size() const { return size_; }

 private:
  std::uint8_t* data_;
  std::size_t size_;
};

/// Keeps pages out of the swap and of core dumps. False where the system's limit is used up: then nothing changed.
bool lock_pages(void* data, std::size_t size);
/// Overwrites what is there and unlocks it.
void unlock_pages(void* data, std::size_t size);

}  // namespace obscura::base
