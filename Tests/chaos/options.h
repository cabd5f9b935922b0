// steady's command line, and how it ends when it can not go on. Read once, by main; nothing changes it later.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// One way to connect: a port, and what is spoken there.
typedef struct {
    uint16_t port;
    bool websocket;
    int version;  // of MQTT: 4 (3.1.1) or 5; JSON for the JSON protocol
} Endpoint;
enum { JSON = 0, MOST_ENDPOINTS = 32 };

typedef struct {
    Endpoint endpoints[MOST_ENDPOINTS];
    int endpoint_count;
    int connections, pairs;
    double rate, visits;      // a second, of all pairs together
    int keep_alive;           // seconds
    double drain;             // seconds that what is under way may take at the end
    bool reconnect;
    const char *report;
} Options;

extern Options options;

void read_options(int argc, char **argv);

// Says why on standard error and exits with 1.
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
