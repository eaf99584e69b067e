// bare_write FILE SOURCE COUNT: COUNT times, writes the content of SOURCE to a new file and renames it to FILE.
// Prints the nanoseconds of each. A pause of a tenth of a second between them makes the caches as cold as a daemon's.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int count, char **arguments) {
  static char bytes[1 << 16], temporary[4096];
  if (count != 4) return 64;
  int source = open(arguments[2], O_RDONLY);
  ssize_t size = read(source, bytes, sizeof bytes);
  if (size <= 0) return 66;
  snprintf(temporary, sizeof temporary, "%s.new", arguments[1]);
  for (int round = 0; round < atoi(arguments[3]); round++) {
    usleep(100000);
    long long begin = now();
    int target = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (target < 0 || write(target, bytes, size) != size || close(target) || rename(temporary, arguments[1])) return 73;
    printf("%lld\n", now() - begin);
  }
  return 0;
}
