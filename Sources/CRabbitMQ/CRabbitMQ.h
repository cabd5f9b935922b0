#pragma once
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>

// amqp_login_with_properties takes a variable number of arguments, which Swift can not pass. The server shall say that it takes
// no messages for a while (connection.blocked), and show this name to its operator.
static inline amqp_rpc_reply_t apus_amqp_login(amqp_connection_state_t connection, const char *vhost, int heartbeat,
                                               const char *user, const char *password, const char *name) {
    amqp_table_entry_t capability = {amqp_cstring_bytes("connection.blocked"), {AMQP_FIELD_KIND_BOOLEAN, {.boolean = 1}}};
    amqp_table_entry_t entries[2] = {
        {amqp_cstring_bytes("capabilities"), {AMQP_FIELD_KIND_TABLE, {.table = {1, &capability}}}},
        {amqp_cstring_bytes("connection_name"), {AMQP_FIELD_KIND_UTF8, {.bytes = amqp_cstring_bytes(name)}}},
    };
    amqp_table_t properties = {2, entries};
    return amqp_login_with_properties(connection, vhost, 0, 131072, heartbeat, &properties, AMQP_SASL_METHOD_PLAIN, user,
                                      password);
}
