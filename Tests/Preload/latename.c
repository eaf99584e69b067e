// For LD_PRELOAD: getpeername(2) waits until the connection is reset, for a second at most. Otherwise only chance
// decides whether a reset comes between the check of a new connection and this call.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <sys/socket.h>

int getpeername(int socket, struct sockaddr *restrict name, socklen_t *restrict size) {
  int (*real)(int, struct sockaddr *, socklen_t *) = dlsym(RTLD_NEXT, "getpeername");
  // poll(2) always reports a reset.
  struct pollfd connection = {.fd = socket};
  poll(&connection, 1, 1000);
  return real(socket, name, size);
}
