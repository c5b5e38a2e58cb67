#include "bytes.h"

bool span_equal(span a, span b) { return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0); }
