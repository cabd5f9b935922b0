// mqload's command line; mqload.c says what it means.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum Mode { PAIRS, FANOUT, FANIN, QUEUE, DRAIN, IDLE };
extern const char *const mode_names[];

typedef struct {
    const char *host;
    int port, subscriber_port, count, payload, qos, broker;
    enum Mode mode;
    uint64_t window, rate, total;
    double seconds;
    bool websocket, persistent, acknowledged, reconnect;
} Options;
extern Options options;

// Says what is wrong and exits with 1.
__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *format, ...);

// Fills options; whatever can not be is fatal.
void read_options(int argc, char **argv);
