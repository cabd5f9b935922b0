// What steady's clients do, whatever they speak: connect, subscribe, ping, visit, and what each answer means. Called by
// the readers of packets (mqtt.c, json.c), by connection.c when a socket ends, and by main.c as time passes.
#pragma once

#include "connection.h"

enum { NAME_LENGTH = 32 };
void client_id(const Connection *c, char id[NAME_LENGTH]);

// The connection stands (and is upgraded): says who the client is.
void greet(Connection *c);
// The broker has let the client in, and knows its session or not.
void greeted(Connection *c, bool present);
void subscribed(Connection *c, bool granted);

// An acknowledgement of a message that this client published, which is fine or refuses it. TAKEN ends QoS 1, RECEIVED
// is the first and COMPLETED the second of QoS 2; JSON has only TAKEN.
typedef enum { TAKEN = 1, RECEIVED, COMPLETED } Acknowledgement;
void acknowledged(Connection *c, Acknowledgement kind, unsigned id, bool fine);

// A message for this client.
void delivered(Connection *c, const char *payload, size_t length);
// A QoS 2 message with this identifier has come: whether it is a new one, to be delivered.
bool received(Connection *c, unsigned id);
// Its identifier is free again.
void released(Connection *c, unsigned id);

// A ping's answer.
void answered(Connection *c);

// Something that a broker must not send, or the end of the connection; both are counted with their reason.
void unexpected(Connection *c, const char *what);
void disconnected(Connection *c, const char *reason);

// As time passes. connect_more: begins what is not connected yet, a few at a time, and is true when all are ready.
bool connect_more(void);
void visit(uint64_t time);
void ping(uint64_t time);
void retry(uint64_t time);
bool visiting(void);
// Counts those who are still not served.
void give_up_visits(void);
// Steady connections whose last ping has no answer, and QoS 2 messages that were taken but not released.
uint64_t unanswered(void);
uint64_t unreleased(void);
// Whether both ends of a pair are connected.
bool is_whole(int pair);
Connection *publisher_of(int pair);
// Says goodbye on all connections. Nothing that happens afterwards is counted.
void leave_all(void);
void make_clients(void);
