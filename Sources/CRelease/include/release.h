// What only the program as a whole has: the commit that it was built from.
#pragma once

// The commit, or "" if the build did not know it.
const char *konexus_commit(void);
