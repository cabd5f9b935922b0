// Latencies in nanoseconds, log-linear: 64 buckets for each power of two, an error of at most 1/64.
#pragma once

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 64 * 64 };
typedef struct {
    uint64_t total, counts[HISTOGRAM_BUCKETS];
} Histogram;

static inline void histogram_add(Histogram *h, uint64_t value) {
    int exponent = value < 64 ? 0 : 63 - __builtin_clzll(value);
    h->counts[value < 64 ? (int)value : (exponent - 5) * 64 + (int)((value >> (exponent - 6)) & 63)]++;
    h->total++;
}

// The value that the given fraction of all values is below; 0 while there are none.
static inline uint64_t histogram_percentile(const Histogram *h, double fraction) {
    uint64_t wanted = (uint64_t)(fraction * (double)h->total), seen = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        if ((seen += h->counts[i]) > wanted)
            return i < 64 ? (uint64_t)i : (uint64_t)(64 | (i & 63)) << (i / 64 - 1);
    return 0;
}
