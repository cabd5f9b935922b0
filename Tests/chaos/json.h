// The JSON protocol (docs/json.md) as steady speaks it.
#pragma once

#include "connection.h"

void json_connect(Connection *c);
void json_subscribe(Connection *c, const char *filter);
void json_publish(Connection *c, const char *topic, const char *payload, int qos, unsigned id);
void json_ping(Connection *c);
void json_close(Connection *c);

// One text message.
void take_json(Connection *c, const char *text, size_t length);
