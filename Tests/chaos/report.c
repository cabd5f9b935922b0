// The report: totals, a row for each event, and the deliveries over time. Called once, at the end of the run.
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "messages.h"

// How long after its mark an event's pauses are looked for, and how long before it a message may have been sent that
// the event lost.
static const uint64_t window = 3 * (uint64_t)SECOND, before = SECOND / 10;

static FILE *out;

static int compare(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

// Median and worst of nanoseconds, as milliseconds, and of how many; null where there are none.
static void write_times(const char *key, uint64_t *times, size_t number) {
    if (!number) {
        fprintf(out, ",\"%s\":null", key);
        return;
    }
    qsort(times, number, sizeof *times, compare);
    fprintf(out, ",\"%s\":{\"median\":%.2f,\"worst\":%.2f,\"of\":%zu}", key,
            (double)times[number / 2] / MILLISECOND, (double)times[number - 1] / MILLISECOND, number);
}

static uint64_t total(Counter counter) {
    uint64_t sum = 0;
    for (int i = 0; i < event_count; i++) sum += events[i].counts[counter];
    return sum;
}

// The first message of a pair that was sent at that time or later.
static uint32_t first_since(const Pair *pair, uint64_t time) {
    uint32_t low = 0, high = pair->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pair->messages[middle].sent < time) low = middle + 1;
        else high = middle;
    }
    return low;
}

// Messages that never came, by QoS, sent from one time up to another.
static void count_lost(uint64_t from, uint64_t to, uint64_t lost[3]) {
    memset(lost, 0, 3 * sizeof *lost);
    for (int i = 0; i < options.pairs; i++) {
        const Pair *pair = pair_at(i);
        for (uint32_t n = first_since(pair, from); n < pair->count && pair->messages[n].sent < to; n++)
            lost[pair->qos] += !pair->messages[n].delivered && !pair->messages[n].unsent;
    }
}

// For each pair the worst latency of what was under way at the mark, or sent up to the end; pairs with nothing
// delivered are left out. Returns how many there are.
static size_t find_pauses(uint64_t from, uint64_t to, uint64_t *pauses) {
    size_t found = 0;
    for (int i = 0; i < options.pairs; i++) {
        const Pair *pair = pair_at(i);
        uint64_t worst = 0;
        for (uint32_t n = first_since(pair, from - window); n < pair->count && pair->messages[n].sent < to; n++) {
            const Message *message = &pair->messages[n];
            if (message->delivered < from) continue;
            if (message->delivered - message->sent > worst) worst = message->delivered - message->sent;
        }
        if (worst) pauses[found++] = worst;
    }
    return found;
}

static void write_counts(const uint64_t counts[COUNTERS], const uint64_t lost[3]) {
    static const char *const names[COUNTERS] = {
        [DISCONNECTED] = "disconnects", [REFUSED] = "refused",  [OUT_OF_ORDER] = "out_of_order",
        [REPEATED] = "repeated",        [UNEXPECTED] = "unexpected", [UNSENT] = "unsent",
        [VISITS] = "visits"};
    for (int i = 0; i < COUNTERS; i++)
        if (names[i]) fprintf(out, "\"%s\":%" PRIu64 ",", names[i], counts[i]);
    fprintf(out, "\"lost\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "],", lost[0], lost[1], lost[2]);
    fprintf(out, "\"duplicated\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", counts[DUPLICATED], counts[DUPLICATED_1],
            counts[DUPLICATED_2]);
}

static void write_event(int number, uint64_t *pauses) {
    Event *event = &events[number];
    bool last = number == event_count - 1;
    uint64_t next = last ? UINT64_MAX : events[number + 1].at, lost[3];
    count_lost(number ? event->at - before : 0, last ? next : next - before, lost);
    uint64_t end = next - event->at < window ? next : event->at + window;
    fprintf(out, "%s\n  {\"name\":\"%s\",\"at\":%.4f,", number ? "," : "", event->name,
            (double)(event->at - events[0].at) / SECOND);
    write_counts(event->counts, lost);
    write_times("pause_ms", pauses, find_pauses(event->at, end, pauses));
    write_times("outage_ms", (uint64_t *)(void *)event->outages.bytes, event->outages.length / sizeof(uint64_t));
    fprintf(out, ",\"connect_ms\":%.2f,\"ping_ms\":%.2f,\"stall_ms\":%.2f}", (double)event->worst_visit / MILLISECOND,
            (double)event->worst_ping / MILLISECOND, (double)event->worst_stall / MILLISECOND);
}

static void write_reasons(void) {
    fputs(",\n \"reasons\":{", out);
    for (int i = 0; i < MOST_REASONS && reasons[i].count; i++) {
        fputs(i ? ",\"" : "\"", out);
        for (const char *p = reasons[i].text; *p; p++) {
            if (*p == '"' || *p == '\\') fputc('\\', out);
            fputc((Byte)*p < ' ' ? ' ' : *p, out);
        }
        fprintf(out, "\":%" PRIu64, reasons[i].count);
    }
    fputs("}", out);
}

void write_report(void) {
    out = fopen(options.report, "w");
    if (!out) fail("%s can not be written: %s", options.report, strerror(errno));
    uint64_t counts[COUNTERS], lost[3], sent = 0, came = 0;
    for (int i = 0; i < COUNTERS; i++) counts[i] = total((Counter)i);
    for (int i = 0; i < options.pairs; i++) sent += pair_at(i)->count;
    for (size_t i = 0; i < bucket_count; i++) came += buckets[i];
    count_lost(0, UINT64_MAX, lost);

    fprintf(out, "{\"connections\":%d,\"pairs\":%d,\"rate\":%g,\"seconds\":%.3f,", options.connections, options.pairs,
            options.rate, (double)(now() - events[0].at) / SECOND);
    fprintf(out, "\"sent\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\n ", sent, came);
    fprintf(out, "\"unacknowledged\":%" PRIu64 ",\"unreleased\":%" PRIu64 ",\"unanswered\":%" PRIu64 ",",
            unacknowledged(), unreleased(), unanswered());
    write_counts(counts, lost);
    write_reasons();
    fputs(",\n \"events\":[", out);
    uint64_t *pauses = resized(NULL, (size_t)options.pairs * sizeof *pauses);
    for (int i = 0; i < event_count; i++) write_event(i, pauses);
    free(pauses);
    fprintf(out, "],\n \"bucket_ms\":%d,\"buckets\":[", BUCKET_MS);
    size_t used = bucket_count;
    while (used && !buckets[used - 1]) used--;
    for (size_t i = 0; i < used; i++) fprintf(out, i ? ",%" PRIu32 : "%" PRIu32, buckets[i]);
    fputs("]}\n", out);
    if (fclose(out)) fail("%s can not be written: %s", options.report, strerror(errno));
}
