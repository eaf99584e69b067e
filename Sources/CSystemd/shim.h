// Turns off the macro sd_journal_sendv, which adds the place of its own call to the entry.
// The function adds none, so the entry has only the CODE_FILE that the caller passes.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <sys/prctl.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

// prctl(2) is variadic.
static inline int csystemd_set_dumpable(int dumpable) { return prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0); }
static inline int csystemd_get_dumpable(void) { return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0); }
