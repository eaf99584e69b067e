// The commit that the program was built from.
#pragma once

// The commit, or "" if the build did not know it.
const char *konexus_commit(void);
