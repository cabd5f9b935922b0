// What statistics.c has counted, for report.c.
#pragma once

#include "connection.h"
#include "statistics.h"

enum { BUCKET_MS = 10, MOST_REASONS = 24 };

typedef struct {
    char name[64];
    uint64_t at, counts[COUNTERS], worst_visit, worst_ping, worst_stall;  // ns
    Buffer outages;                                                       // uint64_t each, ns
} Event;

typedef struct {
    char text[160];
    uint64_t count;
} Reason;

extern Event *events;
extern int event_count;
extern Reason reasons[MOST_REASONS];
extern uint32_t *buckets;
extern size_t bucket_count;
