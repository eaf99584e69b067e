// For LD_PRELOAD: the kernel refuses to send on connections, as with a firewall of this host that rejects packets.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

static int is_internet(int socket) {
  struct sockaddr_storage name;
  socklen_t size = sizeof name;
  return getsockname(socket, (struct sockaddr *)&name, &size) == 0 &&
         (name.ss_family == AF_INET || name.ss_family == AF_INET6);
}

ssize_t send(int socket, const void *bytes, size_t count, int flags) {
  if (is_internet(socket)) {
    errno = EPERM;
    return -1;
  }
  ssize_t (*real)(int, const void *, size_t, int) = dlsym(RTLD_NEXT, "send");
  return real(socket, bytes, count, flags);
}
