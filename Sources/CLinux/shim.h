// What the Glibc module of Swift leaves out.
#pragma once
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/statfs.h>

// strerrordesc_np(3): unlike strerror(3) it may be called from any thread. It needs _GNU_SOURCE, which a module is not compiled with.
extern const char *strerrordesc_np(int);

// The type of the file system behind a descriptor (statfs(2)); -1 if it cannot be told. The struct shares its name with the function, which Swift cannot tell apart.
static inline long linux_filesystem_type(int descriptor) {
  struct statfs filesystem;
  return fstatfs(descriptor, &filesystem) == 0 ? (long)filesystem.f_type : -1;
}
