// What went wrong and how long it took, by the event that came last; and the report at the end.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    DISCONNECTED,    // steady connections
    REFUSED,         // visitors that were not let in, not served, or cut off
    DUPLICATED,      // deliveries beyond the first: at QoS 0, and the next two at 1 and 2
    DUPLICATED_1,
    DUPLICATED_2,
    OUT_OF_ORDER,    // first deliveries after one with a higher number
    REPEATED,        // QoS 2 handshakes: a packet again that the receiver has answered; nothing is delivered twice
    UNEXPECTED,      // packets that answer nothing, refuse, or are of no client's concern
    UNSENT,          // QoS 0 messages that fell due while their publisher was disconnected
    VISITS,          // visitors that were let in
    COUNTERS
} Counter;

// Traffic begins: the first event, "start", is now.
void start_running(void);
bool is_running(void);

// An event is about to be made.
void mark(const char *name);

void count(Counter counter);
// The same, with what happened in words, which are listed in the report.
void count_reason(Counter counter, const char *reason);
void count_delivery(uint64_t time);
// Nanoseconds: until a visitor was let in, until a ping was answered, until a client was back.
void count_visit(uint64_t took);
void count_ping(uint64_t took);
void count_outage(uint64_t took);
// How long steady itself did not look at its sockets.
void count_stall(uint64_t took);

// Writes everything to options.report as JSON; what it can not write is fatal.
void write_report(void);
