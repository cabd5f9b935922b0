// The WebSocket around MQTT and JSON: handshake and frames of a client.
#pragma once

#include "connection.h"

void request_upgrade(Connection *c);

// Room in out for the payload of one frame.
enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
Byte *websocket_frame(Connection *c, unsigned opcode, size_t length);

// Takes the whole frames out of what arrived and returns how many bytes they were.
size_t take_websocket(Connection *c, const Byte *bytes, size_t length);
