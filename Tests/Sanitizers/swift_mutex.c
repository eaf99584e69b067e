// Shows the contended locks of Swift's Mutex to the thread sanitizer.
//
// A contended Mutex is locked and unlocked in libswiftSynchronization, which is not instrumented. Without these
// functions, the sanitizer would report everything that a Mutex guards as a race.
//
// Linked into the programs, these come before the library's functions of the same names, and lead to them.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self

#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK_SLOW "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

// Without a lock of its own: all threads would find the same.
static void *real(void **known, const char *name) {
  void *function = __atomic_load_n(known, __ATOMIC_RELAXED);
  if (function) return function;
  function = dlsym(RTLD_NEXT, name);
  if (!function) abort();
  __atomic_store_n(known, function, __ATOMIC_RELAXED);
  return function;
}

SWIFT void lock_slow(uint32_t thread, SELF) __asm__(LOCK_SLOW);
SWIFT void lock_slow(uint32_t thread, SELF) {
  static void *known;
  ((SWIFT void (*)(uint32_t, SELF))real(&known, LOCK_SLOW))(thread, self);
  __tsan_acquire(self);
}

SWIFT bool try_lock_slow(SELF) __asm__(TRY_LOCK_SLOW);
SWIFT bool try_lock_slow(SELF) {
  static void *known;
  bool taken = ((SWIFT bool (*)(SELF))real(&known, TRY_LOCK_SLOW))(self);
  if (taken) __tsan_acquire(self);
  return taken;
}

SWIFT void unlock_slow(SELF) __asm__(UNLOCK_SLOW);
SWIFT void unlock_slow(SELF) {
  static void *known;
  __tsan_release(self);
  ((SWIFT void (*)(SELF))real(&known, UNLOCK_SLOW))(self);
}
