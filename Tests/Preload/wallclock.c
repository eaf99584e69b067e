// Another wall clock for one program, by LD_PRELOAD. The file WALLCLOCK_FILE contains the number of seconds that
// CLOCK_REALTIME is ahead; each call reads it. Timers of timerfd_settime(2) that are set to a time of that clock follow
// it, also when it is stepped. Nothing else changes. libfaketime is not used, because it also changes absolute waits on
// CLOCK_MONOTONIC, even if it must not. A program that sleeps in this way then spins, or never wakes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_timedwait)(sem_t *, const struct timespec *);
static int (*real_create)(int, int);
static int (*real_settime)(int, int, const struct itimerspec *, struct itimerspec *);
static int file;

// Timers of CLOCK_REALTIME by their descriptors, and the times of the program's clock that they are set to.
enum { TIMERS = 1024 };
static struct { bool is_wall, is_set; int flags; struct itimerspec time; } timers[TIMERS];
static pthread_mutex_t timers_lock = PTHREAD_MUTEX_INITIALIZER;

static void start(void) {
  const char *path = getenv("WALLCLOCK_FILE");
  real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  real_timedwait = dlsym(RTLD_NEXT, "sem_timedwait");
  real_create = dlsym(RTLD_NEXT, "timerfd_create");
  real_settime = dlsym(RTLD_NEXT, "timerfd_settime");
  // The file stays open, so that a program that sandboxes itself afterwards can still read the time.
  // A test must therefore write the file in place, always with the same number of bytes.
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

int timerfd_create(int clock, int flags) {
  prepare();
  int timer = real_create(clock, flags);
  if (timer < 0 || timer >= TIMERS) return timer;
  pthread_mutex_lock(&timers_lock);
  timers[timer].is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;
  timers[timer].is_set = false;
  pthread_mutex_unlock(&timers_lock);
  return timer;
}

// Sets a timer by the kernel's clock to what its time is there.
static int set(int timer, struct itimerspec *before) {
  struct itimerspec real = timers[timer].time;
  real.it_value.tv_sec -= ahead();
  // A time that has passed is due at once. Zero would mean never.
  if (real.it_value.tv_sec < 0) real.it_value = (struct timespec){0, 1};
  return real_settime(timer, timers[timer].flags, &real, before);
}

// The kernel sets such timers anew when its clock is set. Here a thread does, which looks for that 50 times a second.
static void *follow(void *unused) {
  time_t last = ahead();
  while (true) {
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    time_t now = ahead();
    if (now == last) continue;
    last = now;
    pthread_mutex_lock(&timers_lock);
    for (int timer = 0; timer < TIMERS; timer++) {
      struct itimerspec left;
      // One that has fired, or whose descriptor is another file's by now, is left alone.
      if (!timers[timer].is_set || timerfd_gettime(timer, &left) != 0) continue;
      if (left.it_value.tv_sec != 0 || left.it_value.tv_nsec != 0) set(timer, NULL);
    }
    pthread_mutex_unlock(&timers_lock);
  }
  return unused;
}

static void start_following(void) {
  sigset_t all, before;
  pthread_t thread;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  if (pthread_create(&thread, NULL, follow, NULL) != 0) abort();
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int timerfd_settime(int timer, int flags, const struct itimerspec *time, struct itimerspec *before) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  prepare();
  if (timer < 0 || timer >= TIMERS) return real_settime(timer, flags, time, before);
  pthread_mutex_lock(&timers_lock);
  bool sets = time->it_value.tv_sec != 0 || time->it_value.tv_nsec != 0;
  timers[timer].is_set = timers[timer].is_wall && sets && flags & TFD_TIMER_ABSTIME;
  timers[timer].flags = flags;
  timers[timer].time = *time;
  int result = timers[timer].is_set ? set(timer, before) : real_settime(timer, flags, time, before);
  bool must_follow = timers[timer].is_set;
  pthread_mutex_unlock(&timers_lock);
  if (must_follow) pthread_once(&once, start_following);
  return result;
}
