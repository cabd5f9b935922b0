// Counting while the run lasts. Called for everything that report.c tells.
#include "statistics.h"

#include <stdio.h>

#include "report.h"

Event *events;
int event_count;
Reason reasons[MOST_REASONS];
uint32_t *buckets;
size_t bucket_count;

bool is_running(void) {
    return event_count;
}

void start_running(void) {
    mark("start");
}

void mark(const char *name) {
    events = resized(events, (size_t)(event_count + 1) * sizeof *events);
    Event *event = &events[event_count++];
    *event = (Event){.at = now()};
    snprintf(event->name, sizeof event->name, "%s", name);
}

static Event *current(void) {
    return &events[event_count - 1];
}

void count(Counter counter) {
    current()->counts[counter]++;
}

void count_reason(Counter counter, const char *reason) {
    count(counter);
    int i = 0;
    while (i < MOST_REASONS - 1 && reasons[i].count && strcmp(reasons[i].text, reason)) i++;
    snprintf(reasons[i].text, sizeof reasons[i].text, "%s", i == MOST_REASONS - 1 ? "others" : reason);
    reasons[i].count++;
}

void count_delivery(uint64_t time) {
    size_t bucket = (time - events[0].at) / (BUCKET_MS * MILLISECOND);
    if (bucket >= bucket_count) {
        buckets = resized(buckets, (bucket + 1) * 2 * sizeof *buckets);
        memset(buckets + bucket_count, 0, ((bucket + 1) * 2 - bucket_count) * sizeof *buckets);
        bucket_count = (bucket + 1) * 2;
    }
    buckets[bucket]++;
}

static void raise_to(uint64_t *worst, uint64_t value) {
    if (value > *worst) *worst = value;
}
void count_visit(uint64_t took) {
    count(VISITS);
    raise_to(&current()->worst_visit, took);
}
void count_ping(uint64_t took) {
    raise_to(&current()->worst_ping, took);
}
void count_stall(uint64_t took) {
    raise_to(&current()->worst_stall, took);
}
void count_outage(uint64_t took) {
    append_bytes(&current()->outages, &took, sizeof took);
}
