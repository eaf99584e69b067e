// sd_journal_sendv is also a macro that adds the place of
// its own call; with the macros off, only the function is left, and the caller's own CODE_FILE is the only one in the entry.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <sys/prctl.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

// prctl(2) is variadic.
static inline int csystemd_set_dumpable(int dumpable) { return prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0); }
static inline int csystemd_get_dumpable(void) { return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0); }
