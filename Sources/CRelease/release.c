#include "release.h"

#include <math.h>

const char *konexus_commit(void) { return KONEXUS_COMMIT; }

// hypotf(3), in place of the C library's. Swift's Glibc module refers to it, and nothing here calls it.
//
// glibc 2.35 gave the function a new version. A program that was built there and refers to it does not start with
// glibc 2.34, which RHEL 9 has.
__attribute__((visibility("hidden"))) float hypotf(float x, float y) {
  if (isinf(x) || isinf(y)) return INFINITY;
  return (float)sqrt((double)x * x + (double)y * y);
}
