// A connection of steady: its socket, what waits in it, and how far its client has come. The bytes are moved by
// connection.c, framed by websocket.c, given a meaning by mqtt.c and json.c; what the client makes of it is client.c.
#pragma once

#include "buffer.h"

// What a connection is for. A visitor connects, publishes once and leaves; the others stay.
typedef enum { IDLE, PUBLISHER, SUBSCRIBER, VISITOR } Role;
typedef enum { CLOSED, CONNECTING, UPGRADING, GREETING, SUBSCRIBING, READY } State;

typedef struct {
    int fd, number;
    const Endpoint *endpoint;
    Role role;
    State state;
    int pair, qos;            // of publisher and subscriber; qos also of the others' subscription
    bool durable;             // its session is to outlive a disconnection
    bool waits_to_write;
    bool was_ready;           // it has been in use, so that what ends it is an outage
    Buffer in, out, message;  // message: what WebSocket frames have not completed yet
    size_t written;           // of out
    uint64_t began;           // ns: when this connection was begun
    uint64_t pinged;          // ns: when the ping was sent that is not answered; 0: all are
    uint64_t down;            // ns: when it was disconnected; 0: it is not
    uint64_t retry;           // ns: when it is to be begun again
    Byte *received;           // subscriber: a bit for each identifier at QoS 2 that is not released
} Connection;

// CLOCK_MONOTONIC in nanoseconds.
uint64_t now(void);
enum { MILLISECOND = 1000000, SECOND = 1000000000 };

// Before the first connection.
void start_polling(void);

// Begins a connection on c's endpoint; what comes of it is told to client.c.
void begin(Connection *c);

// Sends what waits in out, as far as the socket takes it.
void flush(Connection *c);

// Closes the socket and forgets what waits, without a word to anyone.
void shut(Connection *c);

// Waits for at most a millisecond and handles what has arrived. True when there is something to read on stdin.
bool turn(void);
