// What each pair has exchanged: every message with its times and its handshake, kept to the end of the run.
#pragma once

#include "client.h"

typedef struct {
    uint64_t sent, delivered;  // ns; delivered 0: not yet
    Byte expects;              // the Acknowledgement that is to come next; 0: none, or no more
    bool was_written;          // it has been handed to a socket
    bool unsent;               // QoS 0, and the publisher was not connected: it never left
} Message;

typedef struct {
    Message *messages;
    uint32_t count, capacity;  // a message's place is its sequence number
    uint32_t highest;          // one more than the highest number that was delivered
    uint32_t settled;          // all before are acknowledged
    int qos;
} Pair;

void make_pairs(void);
const Pair *pair_at(int number);

// Publishes what is due. Checked (not --reconnect), a pair of which one end is gone is out of play.
void publish_due(uint64_t time);
// A publisher is back: sends again what is not acknowledged.
void publish_again(Connection *c, bool present);
void message_acknowledged(Connection *c, Acknowledgement kind, unsigned id);
void message_delivered(Connection *c, const char *payload, size_t length);

// Messages that are not delivered, or whose publisher waits for an acknowledgement.
uint64_t undelivered(void);
uint64_t unacknowledged(void);
