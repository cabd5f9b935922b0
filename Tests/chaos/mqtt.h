// MQTT 3.1.1 and 5 as steady speaks it: requests appended to a connection's output, and packets taken from its input.
#pragma once

#include "connection.h"

void mqtt_connect(Connection *c);
void mqtt_subscribe(Connection *c, const char *filter);
void mqtt_publish(Connection *c, const char *topic, const char *payload, int qos, unsigned id, bool again);
void mqtt_release(Connection *c, unsigned id);
void mqtt_ping(Connection *c);
void mqtt_disconnect(Connection *c);

// Takes the whole packets out of what arrived and returns how many bytes they were.
size_t take_mqtt(Connection *c, const Byte *bytes, size_t length);
