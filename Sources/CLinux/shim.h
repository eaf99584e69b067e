// The functions that the Glibc module of Swift leaves out.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <link.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

// strerrordesc_np(3): unlike strerror(3), it is safe to call from any thread.
// It is declared here because the header requires _GNU_SOURCE, which is not defined when a module is compiled.
extern const char *strerrordesc_np(int);

// The type of the file system behind a descriptor (statfs(2)), or -1 if it is unknown.
// It is in C because Swift cannot distinguish the struct from the function of the same name.
static inline long linux_filesystem_type(int descriptor) {
  struct statfs filesystem;
  return fstatfs(descriptor, &filesystem) == 0 ? (long)filesystem.f_type : -1;
}

// Accepts a connection, close-on-exec and non-blocking (accept4(2), which needs _GNU_SOURCE).
// Returns -1 and sets errno if there is none.
static inline int linux_accept(int listener) {
  extern int accept4(int, struct sockaddr *, socklen_t *, int);
  return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

// Gets the process and user that connected, as the kernel recorded them at that time (SO_PEERCRED in unix(7)). Returns
// -1 if they are unknown. It does not use struct ucred, which needs _GNU_SOURCE.
static inline int linux_peer_credentials(int connection, pid_t *process, uid_t *user) {
  struct { pid_t process; uid_t user; gid_t group; } credentials;
  socklen_t size = sizeof credentials;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -1;
  *process = credentials.process;
  *user = credentials.user;
  return 0;
}

// Asks the kernel about the Unix socket with this inode (sock_diag(7)). Returns the attribute of this type, its
// length in `size`, or NULL if there is none.
static inline const void *linux_unix_attribute(
    int diag, uint32_t inode, uint32_t show, int type, void *buffer, size_t capacity, size_t *size) {
  const struct {
    struct nlmsghdr header;
    struct unix_diag_req question;
  } request = {
      {.nlmsg_len = sizeof request, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST},
      {.sdiag_family = AF_UNIX,
       .udiag_states = ~0u,
       .udiag_ino = inode,
       .udiag_show = show,
       .udiag_cookie = {~0u, ~0u}}};
  if (send(diag, &request, sizeof request, MSG_NOSIGNAL) != (ssize_t)sizeof request) return NULL;
  const ssize_t length = recv(diag, buffer, capacity, MSG_DONTWAIT | MSG_TRUNC);
  const struct nlmsghdr *header = buffer;
  if (length < (ssize_t)sizeof *header || (size_t)length > capacity || header->nlmsg_type != SOCK_DIAG_BY_FAMILY) {
    return NULL;
  }
  const size_t end = header->nlmsg_len < (size_t)length ? header->nlmsg_len : (size_t)length;
  size_t offset = NLMSG_SPACE(sizeof(struct unix_diag_msg));
  while (offset + NLA_HDRLEN <= end) {
    const struct nlattr *attribute = (const struct nlattr *)((const char *)buffer + offset);
    if (attribute->nla_len < NLA_HDRLEN || offset + attribute->nla_len > end) return NULL;
    if ((attribute->nla_type & NLA_TYPE_MASK) == type) {
      *size = attribute->nla_len - NLA_HDRLEN;
      return (const char *)attribute + NLA_HDRLEN;
    }
    offset += NLA_ALIGN(attribute->nla_len);
  }
  return NULL;
}

// The first members of struct dl_phdr_info, which describes the program or a library (dl_iterate_phdr(3)). It needs
// _GNU_SOURCE.
struct linux_object {
  ElfW(Addr) base;
  const char *name;
  const ElfW(Phdr) *segments;
  ElfW(Half) count;
};
struct dl_phdr_info;
extern int dl_iterate_phdr(int (*)(struct dl_phdr_info *, size_t, void *), void *);

// Whether the dynamic linker writes into segments that are not writable afterwards.
static inline int linux_has_text_relocations(const ElfW(Dyn) *entry) {
  for (; entry->d_tag != DT_NULL; entry++) {
    if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && entry->d_un.d_val & DF_TEXTREL)) return 1;
  }
  return 0;
}

static inline int linux_unmap_object(struct dl_phdr_info *info, size_t size, void *page) {
  const struct linux_object *object = (const struct linux_object *)info;
  for (ElfW(Half) i = 0; i < object->count; i++) {
    const ElfW(Phdr) *segment = &object->segments[i];
    const ElfW(Dyn) *entries = (const ElfW(Dyn) *)(object->base + segment->p_vaddr);
    if (segment->p_type == PT_DYNAMIC && linux_has_text_relocations(entries)) return 0;
  }
  const uintptr_t mask = ~(*(uintptr_t *)page - 1);
  for (ElfW(Half) i = 0; i < object->count; i++) {
    const ElfW(Phdr) *segment = &object->segments[i];
    // The dynamic linker writes into writable segments, also into those that it makes constant afterwards.
    if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
    const uintptr_t content = object->base + segment->p_vaddr;
    const uintptr_t start = content & mask;
    // The last page can belong to the next segment too.
    madvise((void *)start, ((content + segment->p_memsz) & mask) - start, MADV_DONTNEED);
  }
  return 0;
}

// Drops the pages of code and constants of the program and its libraries from this process. Most of them are of use for
// the start only, such as the tables of the dynamic linker. They stay in the page cache while the host has room for
// them. The next use maps them again. No data is lost, because a program does not write into these pages. If a debugger
// has written breakpoints into them, these are lost.
static inline void linux_unmap_constants(void) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  dl_iterate_phdr(linux_unmap_object, &page);
}

// Makes all threads share one heap, and maps large blocks separately (mallopt(3)). Call it before the second thread.
// Threads often start and end here. Each would leave free pages in its own heap, and more tokens would mean more of
// them.
static inline void linux_share_heap(void) {
  mallopt(M_ARENA_MAX, 1);
  // A threshold that is set explicitly stays. Otherwise the first large block that is freed raises it to its own size.
  // Later large blocks would then come from the heap and fragment it.
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

// pidfd_open(2) and pidfd_send_signal(2): -1 and errno if they fail. glibc has functions for them from 2.36 on.
extern long syscall(long, ...);

static inline int linux_pidfd_open(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }

static inline int linux_pidfd_send_signal(int descriptor, int signal) {
  return (int)syscall(SYS_pidfd_send_signal, descriptor, signal, NULL, 0);
}

// Commands of fcntl(2) for locks on open file descriptions. glibc's headers show them with _GNU_SOURCE only.
enum { linux_ofd_getlk = 36, linux_ofd_setlk = 37 };

// Takes a write lock, which ends with the descriptor or the process. The descriptor must be open for writing.
static inline int linux_hold(int descriptor) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return fcntl(descriptor, linux_ofd_setlk, &lock);
}

// Returns 1 if another description has a write lock on the file, else 0. Takes no lock.
static inline int linux_is_held(int descriptor) {
  struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
  return fcntl(descriptor, linux_ofd_getlk, &lock) == 0 && lock.l_type == F_WRLCK;
}

// Creates an unnamed file in memory that can be sealed (memfd_create(2), which needs _GNU_SOURCE).
// Returns -1 and sets errno if that fails.
static inline int linux_memory_file(const char *name) {
  extern int memfd_create(const char *, unsigned);
  const unsigned flags = 1 /* MFD_CLOEXEC */ | 2 /* MFD_ALLOW_SEALING */;
  // MFD_NOEXEC_SEAL is of Linux 6.3. With vm.memfd_noexec=2, newer kernels require it.
  const int file = memfd_create(name, flags | 8);
  return file >= 0 || errno != EINVAL ? file : memfd_create(name, flags);
}

// Seals such a file against every change (F_ADD_SEALS in fcntl(2)); -1 and errno if that fails.
static inline int linux_seal(int descriptor) { return fcntl(descriptor, 1033, 1 | 2 | 4 | 8); }

// Whether a file is sealed in this way (F_GET_SEALS).
static inline int linux_is_sealed(int descriptor) { return (fcntl(descriptor, 1034) & 15) == 15; }

// Receives bytes and at most one descriptor (SCM_RIGHTS in unix(7)). `*passed` is -1 if there is no descriptor.
// Further descriptors are closed.
static inline ssize_t linux_receive(int connection, void *buffer, size_t size, int *passed) {
  union { struct cmsghdr header; char bytes[CMSG_SPACE(16 * sizeof(int))]; } control;
  struct iovec part = {buffer, size};
  struct msghdr message = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  *passed = -1;
  const ssize_t count = recvmsg(connection, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (count < 0) return count;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t descriptors = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < descriptors; index++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(header) + index * sizeof(int), sizeof descriptor);
      if (*passed < 0) *passed = descriptor; else close(descriptor);
    }
  }
  return count;
}

// Sends bytes and, unless it is negative, a descriptor.
static inline ssize_t linux_send(int connection, const void *bytes, size_t size, int passed) {
  union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(int))]; } control;
  struct iovec part = {(void *)bytes, size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (passed >= 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
  }
  return sendmsg(connection, &message, MSG_NOSIGNAL);
}
