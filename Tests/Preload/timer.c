// timer SECONDS: waits until CLOCK_REALTIME is that much later, by timerfd_settime(2), and prints how many milliseconds
// that took by CLOCK_MONOTONIC. It says "set" as soon as it waits.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static long milliseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int count, char **arguments) {
  struct itimerspec until = {0};
  uint64_t times;
  if (count != 2) return 64;
  int timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);
  clock_gettime(CLOCK_REALTIME, &until.it_value);
  until.it_value.tv_sec += atol(arguments[1]);
  long start = milliseconds(CLOCK_MONOTONIC);
  if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &until, NULL) != 0) return 71;
  puts("set");
  fflush(stdout);
  if (read(timer, &times, sizeof times) != sizeof times) return 74;
  printf("%ld\n", milliseconds(CLOCK_MONOTONIC) - start);
  return 0;
}
