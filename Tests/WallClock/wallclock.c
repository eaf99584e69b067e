// Another wall clock for one program, by LD_PRELOAD: CLOCK_REALTIME is as many seconds ahead as the file WALLCLOCK_FILE says, at each look.
// Nothing else changes. (libfaketime moves absolute waits on CLOCK_MONOTONIC as well, even where it is told to leave that clock alone:
// a program that sleeps like that then spins, or never wakes.)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_timedwait)(sem_t *, const struct timespec *);
static int file;

static void start(void) {
  const char *path = getenv("WALLCLOCK_FILE");
  real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  real_timedwait = dlsym(RTLD_NEXT, "sem_timedwait");
  // Kept open: a program that shuts itself in afterwards still knows the time. So write the file in place, and always as many bytes.
  file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (path && file < 0) {
    perror(path);
    abort();
  }
}

static void prepare(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
}

static time_t ahead(void) {
  char text[24] = "";
  int before = errno;
  if (file >= 0 && pread(file, text, sizeof text - 1, 0) < 0) text[0] = 0;
  errno = before;
  return strtol(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  prepare();
  int result = real_gettime(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += ahead();
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *seconds) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  if (seconds) *seconds = now.tv_sec;
  return now.tv_sec;
}

// The kernel waits by its own clock (libdispatch's idle threads do).
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
  prepare();
  struct timespec real = *until;
  real.tv_sec -= ahead();
  return real_timedwait(semaphore, &real);
}
